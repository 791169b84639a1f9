import Glibc
import Testing

@testable import Supervisor
@testable import reloaderd

/// Whatever is wrong on the command line: one line, status 64, nothing started. By the real binary.
@Suite struct CommandBadValuesTests {
    private static let long = String(repeating: "9", count: 100_000)
    /// Durations that no option takes.
    private static let durations = [
        "", "x", "30", "-1s", "1.5s", "5 s", "5S", "1e3s", "366d", long + "s", "\u{301}s", "s",
    ]
    private static let numbers = [
        "", "x", "-1", "+1", "1.0", "0x10", "1e3", " 1", "1 ", "١", long, "18446744073709551616",
    ]

    /// Values that each option refuses.
    static let bad: [String: [String]] = [
        "workers": numbers + ["0", "4097", "AUTO", "auto,2"],
        "listen": [
            "", "0x50", "65536", "-1", "80a", "127.0.0.1", "localhost", ":80", "::1:80", "[::1]", "[::1]:x", "a.b:80",
            "/a", "@a",
            "unix:", "unix:@", "udp:", "udp:x", "name=", "=80", "unix:/" + String(repeating: "x", count: 107), long,
            "80\n81",
        ],
        "backlog": numbers + ["0", "65536"],
        "balance": ["", "SLOT", "none", "shared,slot", "slot ", long],
        "no-share": [
            "", "0", "0x50", "65536", "-1", "80a", "127.0.0.1", "127.0.0.1:0", "localhost", ":80", "::1:80", "[::1]",
            "[::1]:x", "a.b:80", "/a", "@a", "unix:/a", "unix:@a", "udp:", "udp:0", "tcp:80", "web=80", "80,81", "yes",
            long, "80\n81",
        ],
        "share": ["", "tcp", "UDP", "udp:5353", "udp,tcp", "yes", long],
        "ready": durations + ["listening", "LISTEN", "AUTO", "messages", "1m", "0x5s"],
        "ready-timeout": durations + ["0", "0s", "999us"],
        "surge": numbers + ["0", "4097", "0%", "101%", "%", "-5%", "5 %", "5%%", "x%"],
        "soak": durations,
        "drain": ["", "OUTSIDE", "none", "inside", "signal,outside", "30s", long],
        "drain-timeout": durations,
        "drain-idle": durations + ["0", "0s", "999us", "24h1us", "365d"],
        "stop-signal": ["", "0", "-15", "65", "32", "KILL", "9", "SIGSTOP", "19", "FOO", "TERM ", "RTMIN+31", long],
        "stop-timeout": durations + ["0", "0s"],
        "backoff": durations + ["0", "0s", "31s"],
        "backoff-cap": durations + ["0", "99ms"],
        "backoff-reset": durations,
        "give-up": [
            "", "5", "5/", "/1m", "0/1m", "10001/1m", "5/0", "5/30", "x/1m", "5/1m/1m", "-1/1m", "5:1m", "NEVER",
        ],
        "watchdog": durations + ["0", "99ms", "OFF", "on"],
        "chdir": ["", String(repeating: "x", count: 4096)],
        "env-file": ["", String(repeating: "x", count: 4096)],
        "env": [
            "", "=", "=x", "1A=x", "A B=x", "A\u{301}=x", "ü=x", "LISTEN_FDS=1", "READY_FD", "RELOADERD_X=1", "-A",
            "!A",
        ],
        "user": [
            "", ":", ":root", "root:", "nosuchuser", "root:nosuchgroup", "-1", "4294967295", "root:4294967295", long,
        ],
        "group": ["", "nosuchgroup", "-1", "4294967295", "root:root", long],
        "umask": ["", "8", "1000", "-1", "0o22", "022 ", "rwx", long],
        "rlimit": [
            "", "nofile", "nofile=", "=1", "foo=1", "nofile=2:1", "nofile=unlimited", "nofile=-1", "as=2X", "cpu=5",
            "core=1:",
            "nofile=" + long, "nice=41",
        ],
        "nice": ["", "x", "-21", "20", "+1", "1.0", "--5", long],
        "config": ["", "/nonexistent/file", "/", String(repeating: "x", count: 4096), "/dev/zero"],
        "name": ["", "a b", "a\nb", "ü", "a/b", "a=b", String(repeating: "x", count: 65)],
        "control": ["", String(repeating: "x", count: 4096)],
        "control-group": ["", "nosuchgroup", "-1", "4294967295", "root:root", long],
        "max-age": durations + ["0", "0s", "1ms", "never"],
        "max-memory": ["", "x", "-1", "0", "1K", "1.5M", "64MB", "9999999999999T", "none", long],
        "pid-file": ["", String(repeating: "x", count: 4096)],
        "output": [
            "", "RELAY", "none", "relay,inherit", "file", "file:", "FILE:/tmp/x", "prefix:x",
            "file:" + String(repeating: "x", count: 4096), long,
        ],
        "on-event": ["", " ", "\t", long],
        "on-event-timeout": durations + ["0", "0s", "999us", "24h1us"],
        "log-format": ["", "xml", "JSON", "text "],
        "orphans": ["", "KEEP", "yes", "keep,stop"],
        "pin": ["", "yes"],
        "keep-children": ["", "yes"],
        "require-user": ["", "yes"], "cgroup": ["", "yes"],
        "memory-limit": ["", "x", "-1", "0", "1K", "1.5M", "64MB", "9999999999999T", "none", long],
        "check": ["", "yes"],
        "help": ["", "yes"],
        "version": ["", "yes"],
    ]

    @Test func everyOptionIsThere() { #expect(Set(Self.bad.keys) == Set(Option.all.map { $0.name })) }

    @Test(arguments: bad.keys.sorted())
    func isRefused(_ name: String) throws {
        let folder = try TestFolder()
        for value in try #require(Self.bad[name]) {
            try expectRefusal(["--\(name)=\(value)", "/usr/bin/touch", "\(folder.path)/started"], in: folder)
        }
    }

    static let commandLines: [[String]] = [
        [], ["--"], [""], ["--", ""], ["-"], ["--pin"], ["--listen"], ["--listen", "--pin", "/bin/true"], ["-l"],
        ["--workers"],
        ["--unknown"], ["--wrokers", "2"], ["--", "/nonexistent/program"], ["-x"], ["-é"], ["-w"], ["---"], ["--=x"],
        ["--pin=1"],
        ["-hx"], ["--listen", "8080", "--listen", "8080", "/bin/true"],
        ["--backoff", "5m", "--backoff-cap", "1m", "/bin/true"],
        ["--ready", "2m", "/bin/true"], ["--ready-timeout", "5s", "--ready", "5s", "/bin/true"], ["--\u{0}"],
        ["-\u{301}"],
        ["--workers\n"],
        ["--pin", "stop"], ["--name", "web", "reload"], ["--" + long, "/bin/true"],
        ["--" + long + "=x", "/bin/true"],
        ["--workers", long, "/bin/true"],
        ["--no-share"], ["--no-share=", "/bin/true"], ["--no-share", "--ready", "listen", "/bin/true"],
        ["--drain", "outside", "--no-share", "/bin/true"], ["--share", "udp", "--no-share", "/bin/true"],
        ["--listen", "8080", "--ready", "listen", "/bin/true"],
        ["--drain", "outside", "--listen", "8080", "/bin/true"], ["--share", "udp", "--listen", "8080", "/bin/true"],
        ["--balance", "slot", "/bin/true"],
        (0..<10_000).flatMap { ["--env", "A\($0)=1"] } + ["/bin/true"],
        [String](repeating: "--pin", count: 10_000) + ["/bin/true"],
    ]

    @Test(arguments: commandLines.indices)
    func wrongCommandLinesAreRefused(_ index: Int) throws {
        // Only --check finds out that a program is not there; a start would end with 127.
        let folder = try TestFolder()
        try expectRefusal(["--check"] + Self.commandLines[index], in: folder)
        guard Self.commandLines[index].first != "--" && Self.commandLines[index] != ["-"] else { return }
        try expectRefusal(Self.commandLines[index], in: folder)
    }

    /// As the first word it is a verb, after options a mistake; behind `--` and as a path it is a program.
    @Test(arguments: Verb.all.map { $0.name })
    func verbsAreFirstWords(_ verb: String) throws {
        let run = try CommandRun.reloaderd(["--check", verb])
        #expect(run.status == 64)
        #expect(run.errors.contains("reloaderd \(verb) [OPTIONS]"))
        #expect(run.errors.contains("reloaderd -- \(verb)"))
        #expect(try CommandRun.reloaderd(["--check", "--", verb]).errors.contains("no such program"))
        #expect(try CommandRun.reloaderd(["--check", "./" + verb]).errors.contains("No such file"))
    }

    @Test func bytesThatAreNoTextAreRefused() throws {
        let reloaderd = Array(Products.reloaderd.utf8)
        for bytes: [UInt8] in [[0xFF], [0x2D, 0x2D, 0xC3], [0xED, 0xA0, 0x80], [0x2D, 0x80], [0x0A, 0xFE]] {
            for words in [[bytes], [Array("--listen".utf8), bytes], [Array("/bin/true".utf8), bytes]] {
                let run = try CommandRun.run([reloaderd] + words)
                #expect(run.status == 64)
                #expect(run.errorLines.count == 1)
                #expect(run.errors.contains("argument \(words.count), "))
            }
        }
    }

    @Test func aFullDiskIsReported() throws {
        let run = try CommandRun.run(["/bin/sh", "-c", "exec \(Products.reloaderd) --help > /dev/full"])
        #expect(run.status == 74)
        #expect(run.errors == "reloaderd: cannot write to standard output: No space left on device\n")
    }

    @Test(arguments: [
        ("--wrokers", "workers"), ("--lsiten", "listen"), ("--read", "ready"), ("--stop-sig", "stop-signal"),
        ("--en", "env"),
        ("--worker", "workers"), ("--stoptimeout=5s", "stop-timeout"), ("--pinn", "pin"),
    ])
    func nearbyNamesAreSuggested(_ written: String, _ meant: String) throws {
        let run = try CommandRun.reloaderd([written, "x"])
        #expect(run.errors.hasSuffix(": did you mean --\(meant)?\n"), "\(run.errors)")
    }

    private func expectRefusal(_ words: [String], in folder: TestFolder) throws {
        let run = try CommandRun.reloaderd(words)
        let shown = "\(words.prefix(3).map { String($0.prefix(40)) })"
        #expect(run.status == 64, "\(shown)")
        #expect(run.output.isEmpty, "\(shown)")
        #expect(run.errorLines.count == 1, "\(shown): \(run.errors)")
        #expect(run.errors.hasPrefix("reloaderd: ") && run.errors.hasSuffix("\n"), "\(shown)")
        #expect(run.errors.utf8.count < 1200, "\(shown)")
        #expect(!folder.contains("started"), "\(shown)")
    }
}
