// The pipes of a worker that runs as another user are its own: what opens /dev/stderr by name finds them open.
import Foundation
import Testing

@Suite(.enabled(if: Launcher.isRoot)) struct OutputUserTests {
    /// nginx, php-fpm and Apache do so by their configuration, and scripts write to /dev/stdout out of habit.
    @Test(arguments: ["relay", "prefix", "file"]) func theWorkerOpensItsStreamsByName(_ output: String) throws {
        let folder = try TestFolder()
        let mode = output == "file" ? "file:\(folder.path)/log" : output
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--no-share", "--ready", "message", "--user", "nobody", "--output", mode]
                + Apps.shell(
                    """
                    id -u >/dev/stdout
                    echo an error >>/dev/stderr
                    echo READY=1 >/dev/fd/$READY_FD
                    exec sleep 1000
                    """), directory: "/")
        try daemon.next("pool_ready")
        daemon.signal(SIGTERM)
        let out = try daemon.process.output.rest()
        #expect(try daemon.end() == 0)
        let lines = output == "file" ? folder.text(of: "log").split(separator: "\n").map(String.init) : []
        #expect((out + lines).contains { $0.hasSuffix("\(Launcher.nobody)") })
        #expect((daemon.otherLines + lines).contains { $0.hasSuffix("an error") })
    }

    /// A real program whose log is /dev/stderr, and its access log /dev/stdout.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/sbin/nginx")))
    func nginxLogsToItsStreams() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map { "\($0)_temp_path \(folder.path)/\($0);" }.joined(separator: " ")
        let configuration = try folder.write(
            "nginx.conf",
            """
            daemon off;
            master_process off;
            pid \(folder.path)/nginx.pid;
            error_log /dev/stderr notice;
            events { }
            http {
                access_log /dev/stdout;
                \(temporary)
                server { listen 127.0.0.1:\(port); location / { return 200 "served"; } }
            }
            """)
        chmod(folder.path, 0o777)
        chmod(configuration, 0o644)
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--user", "nobody", "/usr/sbin/nginx", "-e", "/dev/stderr", "-c", configuration], directory: "/"
        )
        try daemon.next("pool_ready")
        #expect(Network.get(port)?.hasSuffix("served") == true)
        #expect(try daemon.process.output.next()?.contains("\"GET / HTTP/1.1\" 200") == true)
        try daemon.endsClean()
        #expect(daemon.otherLines.contains { $0.contains("[notice]") })
    }
}
