// A pool under a strict client of Programs/ that asks in awkward shapes, and what came of each shape.
import Foundation
import Testing

final class ShapedLoad {
    let daemon: DaemonUnderTest
    private let folder: TestFolder
    private let proxy: DaemonUnderTest?
    private let client: ChildProcess
    private var generation = 1

    /// What a client says of one shape.
    struct Report: Decodable {
        var requests: Int
        var ok: Int
        /// By kind; what every request in the middle of a reload must not become.
        var cut: [String: Int]
        /// Lost to a server that closed an idle connection while the request was on its way.
        var races: Int
        var details: [String]
    }

    private struct Reports: Decodable { var shapes: [String: Report] }

    /// - Parameters:
    ///   - proxied: nginx stands in front of the pool, and keeps its connections to it.
    ///   - client: the client's command line for a port.
    init(
        _ program: SharedProgram, workers: Int = 2, options: [String] = [], proxied: Bool = false,
        client words: (_ port: Int) -> [String]
    ) throws {
        folder = try TestFolder()
        let port = try Network.freePort()
        daemon = try DaemonUnderTest(["--workers", "\(workers)"] + options + program.words(port, in: folder))
        try daemon.next("pool_ready")
        var front = port
        if proxied {
            front = try Network.freePort()
            proxy = try DaemonUnderTest(
                ["--workers", "1", "--output", "file:\(folder.path)/proxy.log"]
                    // Under load its connections never rest: it has to end them itself before the drain's time is over.
                    + ["env", "UPSTREAM=\(port)", "KEEPALIVE_TIME=10s"]
                    + SharedProgram.nginx.words(front, in: folder))
            try proxy?.next("pool_ready")
        } else {
            proxy = nil
        }
        client = try ChildProcess(words(front))
    }

    /// Returns when every connection of the client has had its first answer.
    func begin() throws {
        while let line = try client.output.next() {
            if line == "started" { return }
        }
        throw DidNotHappen(description: "the client ended before it began: \(try client.errors.text())")
    }

    func reload() throws {
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        generation += 1
    }

    /// Ends the client, which takes to its end what it has begun, then the pool; returns what came of each shape.
    func finish() throws -> [String: Report] {
        client.closeInput()
        var generations = [1]
        while let line = try client.output.next() {
            if line.hasPrefix("generation ") { generations += [Int(line.dropFirst(11)) ?? 0] }
            guard line.hasPrefix("{") else { continue }
            try client.wait()
            try proxy?.endsClean()
            try daemon.endsClean()
            #expect(generations.max() == generation, "the last generation has served: \(generations)")
            return try JSONDecoder().decode(Reports.self, from: Data(line.utf8)).shapes
        }
        throw DidNotHappen(description: "no report of the client; stderr: \(try client.errors.text())")
    }
}
