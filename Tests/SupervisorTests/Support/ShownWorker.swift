// What a worker sees of itself: worker.py's `show`.
import Foundation

struct ShownWorker: Decodable {
    struct Socket: Decodable {
        var family: String
        var type: String
        /// Address or path; an abstract one with '@'.
        var name: String
        var port: Int
    }

    var pid: Int32
    var pgid: Int32
    var ppid: Int32
    var uid: UInt32
    var gid: UInt32
    var groups: [UInt32]
    var cwd: String
    var nice: Int
    var cpus: [Int]
    /// Octal digits.
    var umask: String
    /// By name in lower case: soft and hard limit; -1 is none.
    var limits: [String: [Int64]]
    /// What each open descriptor leads to.
    var fds: [Int: String]
    var sockets: [Int: Socket]
    /// Values byte for byte, as Latin-1.
    var env: [String: String]

    init(line: String) throws {
        self = try JSONDecoder().decode(ShownWorker.self, from: Data(line.utf8))
    }

    /// worker.py and the Python that every user may run; one from somebody's home may not be.
    static let program = ["/usr/bin/python3", Products.worker]
    /// Shows itself on stdout, is ready, waits.
    static let showing = program + ["show", "ready", "wait"]
}

extension DaemonUnderTest {
    /// The next worker that shows itself on stdout.
    func shown() throws -> ShownWorker {
        if let line = try process.output.next() { return try ShownWorker(line: line) }
        try end()
        throw DidNotHappen(description: "the daemon ended before a worker showed itself; the log:\n\(story)")
    }

    /// Starts one worker that shows itself, and yields both. The caller stops the daemon.
    static func showing(
        _ options: [String] = [], program: [String] = ShownWorker.showing,
        environment: [String] = ChildProcess.plainEnvironment, directory: String? = nil, under launcher: [String] = []
    ) throws -> (daemon: DaemonUnderTest, worker: ShownWorker) {
        let daemon = try DaemonUnderTest(
            ["--workers", "1"] + options + program, environment: environment, directory: directory,
            under: launcher.isEmpty ? [] : Launcher.words + launcher + ["--"])
        return (daemon, try daemon.shown())
    }
}
