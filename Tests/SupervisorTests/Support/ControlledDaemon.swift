// A daemon with its control socket and its history in a folder of the test's own.
import Foundation

struct ControlledDaemon {
    let folder: TestFolder
    let daemon: DaemonUnderTest

    /// - Parameter options: of the daemon, before its program.
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

    /// Ready at once in generation 1; later ones wait at the gate.
    static func gated(_ gate: Gate) -> [String] {
        Apps.shell(
            "[ $RELOADERD_GENERATION = 1 ] || read line <\(gate.path); echo READY=1 >&$READY_FD; exec sleep 1000")
    }

    /// Ready in generation 1; later ones say why and fail.
    static let breaking = Apps.shell(
        "if [ $RELOADERD_GENERATION != 1 ]; then echo 'no database' >&2; exit 3; fi; "
            + "echo READY=1 >&$READY_FD; exec sleep 1000")
}
