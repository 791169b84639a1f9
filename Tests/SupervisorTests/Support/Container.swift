// A container of a test's own, made by Programs/container.sh: reloaderd is PID 1 in a root directory that has nothing
// but what the image has, and an app.
import CLinux
import Foundation
import Glibc

final class Container {
    let folder: TestFolder
    let daemon: DaemonUnderTest
    private let user: UInt32

    /// Where an image was laid out: Tests/run makes one. Without it, the daemon under test is copied with the libraries
    /// that it needs.
    private static let image = ProcessInfo.processInfo.environment["RELOADERD_IMAGE"]

    /// - Parameters:
    ///   - options: of container.sh.
    ///   - hasTemporaryFolder: whether there is a /tmp.
    ///   - words: what an image's CMD would say. The app is /app/run, a static server: see go/server.go.
    init(options: [String] = [], user: UInt32 = 0, hasTemporaryFolder: Bool = true, _ words: [String]) throws {
        let folder = try TestFolder()
        self.folder = folder
        self.user = user
        let app = try BuiltPrograms.go()
        let make = try CommandRun.run([
            "/bin/sh", "-euc",
            """
            root=$1; daemon=$2; app=$3; image=$4; has_tmp=$5
            trap '$has_tmp || rmdir "$root/tmp"' EXIT
            mkdir -p "$root/app" "$root/tmp" "$root/run" "$root/usr/local/bin"
            chmod 755 "$root"; chmod 1777 "$root/tmp"
            cp "$app" "$root/app/run"
            if [ -n "$image" ]; then cp -a "$image/." "$root"; exit; fi
            cp "$daemon" "$root/usr/local/bin/reloaderd"
            ldd "$daemon" | grep -o '/[^ ]*' | while read -r library; do
                mkdir -p "$root$(dirname "$library")"
                cp -L "$library" "$root$library"
            done
            """, "sh", "\(folder.path)/root", Products.reloaderd, app, Self.image ?? "",
            "\(hasTemporaryFolder)",
        ])
        guard make.status == 0 else { throw DidNotHappen(description: "no container: \(make.errors)") }
        daemon = try DaemonUnderTest(
            words,
            under: ["\(Products.tests)/Programs/container.sh"] + options + (user == 0 ? [] : ["--user", "\(user)"])
                + ["\(folder.path)/root"],
            executable: "/usr/local/bin/reloaderd", control: nil)
    }

    /// PID 1, as everybody else counts it.
    func hostPID() throws -> pid_t {
        let text = try String(contentsOfFile: "/proc/\(daemon.pid)/task/\(daemon.pid)/children", encoding: .utf8)
        guard let pid = text.split(separator: " ").first.flatMap({ pid_t($0) }) else {
            throw DidNotHappen(description: "the container has no process")
        }
        return pid
    }

    /// As `docker exec` and `kubectl exec` run a verb.
    func exec(_ words: String...) throws -> CommandRun {
        let pid = try hostPID()
        return try CommandRun.run(
            ["nsenter", "-t", "\(pid)", "-p", "-m", "-C", "-r", "-w", "-S", "\(user)", "-G", "\(user)"]
                + ["/usr/local/bin/reloaderd"] + words)
    }
}
