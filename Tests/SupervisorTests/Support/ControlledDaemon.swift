// A daemon with its control socket and its history in a folder of the test's own.
import Foundation

struct ControlledDaemon {
    let folder: TestFolder
    let daemon: DaemonUnderTest

    /// - Parameter options: the daemon's own, before its program.
    init(
        _ app: [String], options: [String] = [], in folder: TestFolder? = nil, under wrapper: [String] = []
    ) throws {
        let folder = try folder ?? TestFolder()
        self.folder = folder
        daemon = try DaemonUnderTest(
            ["--name", "app", "--backoff", "1ms"] + options + app,
            environment: ChildProcess.plainEnvironment + Self.environment(of: folder), under: wrapper, control: nil)
    }

    static func environment(of folder: TestFolder) -> [String] {
        ["RUNTIME_DIRECTORY=\(folder.path)/run", "STATE_DIRECTORY=\(folder.path)/state"]
    }

    static func path(in folder: TestFolder) -> String { "\(folder.path)/run/app.sock" }

    var path: String { Self.path(in: folder) }

    func connect() throws -> ControlConversation { try ControlConversation(path) }

    func ask(_ verb: String, _ arguments: [String: Any] = [:]) throws -> ControlLine {
        try connect().ask(verb, arguments)
    }

    /// A pool that is ready in generation 1; the workers of later generations wait at the gate.
    static func withGate(_ options: [String] = ["--workers", "1"]) throws -> (ControlledDaemon, Gate) {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let worker = Apps.shell(
            "[ $RELOADERD_GENERATION = 1 ] || read line <\(gate.path); echo READY=1 >&$READY_FD; exec sleep 1000")
        let app = try ControlledDaemon(worker, options: options, in: folder)
        try app.daemon.next("pool_ready")
        return (app, gate)
    }

    /// Ready in generation 1; later ones say why and fail.
    static let breaking = Apps.shell(
        "if [ $RELOADERD_GENERATION != 1 ]; then echo 'no database' >&2; exit 3; fi; "
            + "echo READY=1 >&$READY_FD; exec sleep 1000")
}
