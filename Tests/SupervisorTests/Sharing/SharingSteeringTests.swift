// After whatever has happened to workers, new connections come to those that serve, to each its share, and to no other.
import Glibc
import Testing

@Suite struct SharingSteeringTests {
    /// Each round something happens to the pool, by chance; then each worker that serves must get its share of
    /// connections, and nobody else any. Connections that are held keep old workers draining meanwhile, with their
    /// sockets in the group.
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func connectionsComeOnlyToThoseThatServe(seed: UInt64) throws {
        var chance = SeededGenerator(seed: seed)
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "3", "--backoff", "1ms", "--backoff-cap", "1ms", "--drain-idle", "60s"]
                + SharedProgram.threads.words(port, in: folder))
        try daemon.next("pool_ready")
        var held: [Asker] = []
        var happened: [String] = []
        for _ in 0..<16 {
            if Bool.random(using: &chance) { held += try (0..<3).map { _ in try Asker(port) } }
            if Int.random(in: 0..<4, using: &chance) == 0 { held.removeAll { _ in Bool.random(using: &chance) } }
            let choice = Int.random(in: 0..<5, using: &chance)
            try happen(choice, to: daemon, &chance)
            happened.append("\(choice)")
            try expectShares(of: daemon, port, happened.joined(separator: " "))
        }
        held = []
        try daemon.endsClean()
    }

    private func happen(_ choice: Int, to daemon: DaemonUnderTest, _ chance: inout SeededGenerator) throws {
        let serving = Capacity.ready(in: daemon.log).keys.sorted()
        switch choice {
        case 0:
            daemon.signal(SIGHUP)
            try daemon.next("reload_done")
        case 1, 2:
            let victims = serving.shuffled(using: &chance).prefix(choice)
            for victim in victims { kill(victim, SIGKILL) }
            try daemon.ready(victims.count)
        case 3 where serving.count < 6:
            daemon.signal(SIGTTIN)
            try daemon.ready(1)
        default:
            guard serving.count > 1 else { return }
            daemon.signal(SIGTTOU)
            try daemon.next("worker_draining")
        }
    }

    /// At 60 connections a worker, the odds that one gets fewer than 20 are one in 10⁷.
    private func expectShares(of daemon: DaemonUnderTest, _ port: Int, _ happened: String) throws {
        let serving = Set(Capacity.ready(in: daemon.log).keys)
        var counts: [Int32: Int] = [:]
        for _ in 0..<(60 * serving.count) {
            let answer = try #require(try Asker(port, asking: "/").answer(), "after \(happened)")
            counts[answer.pid, default: 0] += 1
        }
        #expect(Set(counts.keys) == serving, "after \(happened)\n\(daemon.story)")
        #expect(counts.values.allSatisfy { $0 >= 20 }, "after \(happened): \(counts)")
    }
}
