// One worker of a pool is compromised, and does what it can under its own user: the daemon answers, deploys and stops,
// and has what it had before.
import Foundation
import Glibc
import Testing

/// One after the other: each takes a processor for itself.
@Suite(.enabled(if: Launcher.isRoot, "needs root, to run workers as another user"), .serialized)
struct HostileWorkerTests {
    /// The words of Programs/attack.c.
    enum Attack: String, CaseIterable {
        case ready, notify, output, listen, threads, descriptors, privileged, execute, escape
    }

    /// What the daemon may have more of after the attack than before: buffers that have grown, a list that was made.
    private static let moreDescriptorsMax = 4
    private static let moreMemoryMax = 8 << 20

    private struct Pool {
        let app: ControlledDaemon
        let port: Int
        private let gate: Gate
        private let told: Fifo

        init(_ attack: Attack) throws {
            let folder = try TestFolder()
            chmod(folder.path, 0o755)
            (gate, told, port) = (try Gate(in: folder), try Fifo(in: folder), try Network.freePort())
            chmod(gate.path, 0o666)
            let program = try folder.copyProgram("attack", from: try BuiltPrograms.c("attack"))
            app = try ControlledDaemon(
                [program, attack.rawValue, "\(port)", gate.path, told.path],
                options: [
                    "--workers", "2", "--user", "\(Neighbour.freshUser())", "--ready", "message", "--stop-timeout",
                    "1s", "--drain-timeout", "1s", "--output", "file:/dev/null",
                ], in: folder)
            try app.daemon.next("pool_ready")
        }

        /// Returns when the attack goes on.
        func attack() throws {
            gate.letPass()
            #expect(try told.lines.next() == "attacking")
        }
    }

    @Test(arguments: Attack.allCases) func theDaemonAnswersDeploysAndStops(during attack: Attack) throws {
        let pool = try Pool(attack)
        let app = pool.app
        #expect(try app.ask("status").isOK)
        let daemon = try ProcessView(app.daemon.pid)
        let (descriptors, memory) = (try Self.descriptors(of: daemon), daemon.residentBytes)

        try pool.attack()
        // On a machine that is busy with other tests as well, one of five may count.
        var quickest = Duration.seconds(60)
        for _ in 0..<5 {
            let start = ContinuousClock.now
            #expect(try app.ask("status").isOK)
            quickest = min(quickest, ContinuousClock.now - start)
        }
        #expect(quickest < .seconds(1), "status takes \(quickest)")
        #expect(Network.get(pool.port)?.contains("slot=") == true)

        let reload = try app.ask("reload")
        #expect(reload.outcome == "done", "\(reload) \(app.daemon.story)")
        try app.daemon.gone(2, ofGeneration: 1)
        #expect(Network.get(pool.port)?.contains("generation=2") == true)
        // What an attacker left behind has descriptors of the daemon's until it is gone.
        let patience = ContinuousClock.now + .milliseconds(ChildProcess.patienceMilliseconds)
        var more = Int.max
        while more > Self.moreDescriptorsMax && ContinuousClock.now < patience {
            #expect(try app.ask("status").isOK)
            more = try Self.descriptors(of: daemon) - descriptors
        }
        #expect(more <= Self.moreDescriptorsMax, "\(more) more descriptors than before")
        #expect(daemon.residentBytes - memory < Self.moreMemoryMax)
        try app.daemon.endsClean()
    }

    /// Without a reload: the stop alone ends the attack.
    @Test(arguments: Attack.allCases) func aStopEndsIt(_ attack: Attack) throws {
        let pool = try Pool(attack)
        try pool.attack()
        #expect(try pool.app.daemon.stop() == 0)
        pool.app.daemon.leavesNothing()
    }

    private static func descriptors(of process: ProcessView) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process.pid)/fd").count
    }
}
