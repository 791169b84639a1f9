// Stands in for a daemon on a control socket: a test reads what a verb asks, and says what it hears.
import Foundation

final class FakeDaemon {
    /// The runtime directory.
    let folder: TestFolder
    private let listener: TestListener

    /// Listens as the daemon of this name in `folder`.
    init(_ name: String = "web", in folder: TestFolder) throws {
        self.folder = folder
        listener = try TestListener(at: "\(folder.path)/\(name).sock")
    }

    var environment: [String] { Self.environment(folder) }

    static func environment(_ folder: TestFolder) -> [String] {
        ChildProcess.plainEnvironment + ["RUNTIME_DIRECTORY=\(folder.path)"]
    }

    /// Starts `reloaderd` with these words, to find this daemon.
    func client(_ words: [String]) throws -> ChildProcess {
        try ChildProcess([Products.reloaderd] + words, environment: environment)
    }

    /// The next client.
    func accept() throws -> Peer { Peer(try listener.accept()) }

    /// A verb's whole exchange when it is one answer.
    func answer(_ words: [String], _ answer: String) throws -> (request: NSDictionary, run: CommandRun) {
        let client = try client(words)
        let peer = try accept()
        let request = try peer.request()
        peer.say(answer)
        peer.hangUp()
        return (request, try client.finished())
    }

    /// A client, seen from the daemon.
    final class Peer {
        private let number: Int32
        private let lines: LineReader

        fileprivate init(_ number: Int32) {
            self.number = number
            lines = LineReader(owning: number)
        }

        func request() throws -> NSDictionary {
            guard let line = try lines.next() else { throw DidNotHappen(description: "the client asks nothing") }
            let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
            guard let request = value as? NSDictionary else { throw DidNotHappen(description: "no object: \(line)") }
            return request
        }

        func say(_ line: String) {
            let bytes = Array((line + "\n").utf8)
            _ = send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        }

        func hangUp() { shutdown(number, Int32(SHUT_RDWR)) }
    }
}

extension ChildProcess {
    /// All that it still says, and how it ends.
    func finished() throws -> CommandRun {
        let text = try output.rest().map { $0 + "\n" }.joined()
        let errors = try errors.rest().map { $0 + "\n" }.joined()
        return CommandRun(status: try wait(), output: text, errors: errors)
    }
}
