// A daemon whose workers share a port without knowing it, and a strict client that asks all the time.
import Foundation
import Testing

final class SharingLoad {
    let port: Int
    let daemon: DaemonUnderTest
    /// For the program's own files.
    let folder: TestFolder
    private let client: ChildProcess

    init(_ program: SharedProgram, workers: Int = 4, options: [String] = [], client clientOptions: [String] = []) throws
    {
        folder = try TestFolder()
        port = try Network.freePort()
        daemon = try DaemonUnderTest(["--workers", "\(workers)"] + options + program.words(port, in: folder))
        try daemon.next("pool_ready")
        client = try Self.client(port, clientOptions)
    }

    /// A client that has its first answer and asks until its input ends.
    static func client(_ port: Int, _ options: [String] = [], under wrapper: [String] = []) throws -> ChildProcess {
        let client = try ChildProcess.strictClient(
            "127.0.0.1:\(port)",
            ["--connections", "8", "--duration-ms", "120000", "--until-eof", "--announce-workers"] + options,
            under: wrapper)
        guard try client.output.next() == "started" else {
            throw DidNotHappen(description: "the client gets no answer: \(try client.output.rest())")
        }
        return client
    }

    /// Ends the client's run.
    static func report(of client: ChildProcess) throws -> ClientReport {
        client.closeInput()
        let report = try client.clientReport()
        try client.wait()
        return report
    }

    /// Reloads, and waits until the new generation has answered.
    func reload() throws {
        daemon.signal(SIGHUP)
        let generation = try daemon.next("reload_done").generation ?? 0
        while let line = try client.output.next() {
            if line.contains(" generation=\(generation) ") { return }
        }
        throw DidNotHappen(description: "the client ended without an answer of generation \(generation)")
    }

    /// Ends the client, then the daemon.
    func finish() throws -> ClientReport {
        let report = try Self.report(of: client)
        try daemon.endsClean()
        return report
    }
}
