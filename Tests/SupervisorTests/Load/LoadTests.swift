// The promise, kept under load: a strict client that retries nothing, and reloads meanwhile. Benchmarks/load.py does
// the same on large counts.
import Foundation
import Glibc
import Testing

@Suite(.serialized) struct LoadTests {
    static let workers = 4
    static let connections = 16

    @Test(arguments: Example.allCases, [false, true])
    func reloadsLoseNoRequest(example: Example, keepsAlive: Bool) throws {
        let load = try Load(example: example, keepsAlive: keepsAlive)
        for _ in 0..<3 {
            load.daemon.signal(SIGHUP)
            try load.daemon.next("reload_done")
        }
        try load.isAnswered(byGeneration: 4)
        let report = try load.finish()
        #expect(report.failed == 0, "\(report.columns) \(report.failures)")
        #expect(report.clientErrors == 0 && report.idleClosed == 0, "\(report.columns)")
        #expect(report.generations.contains(4), "the last generation has served: \(report.workers)")
        #expect(report.generations.count >= 2, "it was loaded while it reloaded: \(report.workers)")
    }

    /// `--balance slot`: a listener for each slot, which its next worker gets too.
    @Test func reloadsLoseNoRequestOfAListenerASlot() throws {
        let load = try Load(example: .python, keepsAlive: false, options: ["--balance", "slot"])
        for generation in 2...4 {
            load.daemon.signal(SIGHUP)
            try load.daemon.next("reload_done")
            try load.isAnswered(byGeneration: generation)
        }
        // Connections are spread by chance: in the end each slot's worker has had one.
        for slot in 0..<Self.workers { try load.isAnswered(bySlot: slot) }
        let report = try load.finish()
        #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
    }

    @Test(arguments: Example.allCases, [false, true])
    func aKilledWorkerLosesOnlyWhatItHadAccepted(example: Example, keepsAlive: Bool) throws {
        let load = try Load(example: example, keepsAlive: keepsAlive)
        let kills = 2
        for round in 0..<kills {
            let victim = try #require(load.daemon.records("worker_ready").last { $0.slot == round }?.pid)
            kill(victim, SIGKILL)
            try load.daemon.next("worker_exited") { $0.pid == victim }
            try load.daemon.next("worker_ready") { $0.slot == round }
            load.daemon.signal(SIGHUP)
            try load.daemon.next("reload_done")
        }
        let report = try load.finish()
        #expect(
            report.refused == 0 && report.timedOut == 0 && report.non2xx == 0 && report.malformed == 0,
            "\(report.columns)")
        // A connection that the dead worker had accepted ends early or is reset; no other may.
        #expect(report.reset + report.earlyEnd == report.failed, "\(report.columns)")
        #expect(report.failed <= kills * Self.connections, "\(report.columns)")
        #expect(report.clientErrors == 0, "\(report.columns)")
    }
}

/// A daemon with one of the examples, and a strict client that asks it all the time.
private final class Load {
    let daemon: DaemonUnderTest
    private let client: ChildProcess
    private var announced: [String] = []

    init(example: Example, keepsAlive: Bool, options: [String] = []) throws {
        let port = try Network.freePort()
        daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "\(LoadTests.workers)"] + options + example.command)
        try daemon.next("pool_ready")
        client = try ChildProcess.strictClient(
            "127.0.0.1:\(port)",
            [
                "--connections", "\(LoadTests.connections)", "--duration-ms", "120000", "--until-eof",
                "--announce-workers",
            ] + (keepsAlive ? ["--keep-alive"] : []))
        guard try client.output.next() == "started" else {
            throw DidNotHappen(description: "the client gets no answer")
        }
    }

    /// Reads on until a worker of the generation has answered.
    func isAnswered(byGeneration generation: Int) throws { try isAnnounced("generation=\(generation)") }

    /// The client announces each worker once: those that have answered before are remembered.
    func isAnswered(bySlot slot: Int) throws { try isAnnounced("slot=\(slot)") }

    private func isAnnounced(_ word: String) throws {
        func fits(_ line: String) -> Bool { line.split(separator: " ").contains { $0 == word } }
        if announced.contains(where: fits) { return }
        while let line = try client.output.next() {
            announced.append(line)
            if fits(line) { return }
        }
        throw DidNotHappen(description: "\(word) never answers")
    }

    func finish() throws -> ClientReport {
        client.closeInput()
        let report = try client.clientReport()
        try client.wait()
        guard try daemon.stop() == 0 else { throw DidNotHappen(description: "the daemon failed:\n\(daemon.story)") }
        return report
    }
}

extension ClientReport {
    /// Those that have answered.
    var generations: Set<Int> { Set(workers.map { $0.generation }) }
}
