import Foundation
import Testing

/// `status` of workers that drain: who holds them, and why.
@Suite struct VerbStatusDrainTests {
    @Test func peopleSeeWhatHoldsADrain() throws {
        let holders =
            #"[{"peer":"192.0.2.7:4711","age_s":12.3,"why":"a request that was not answered, for 11.8s"},"#
            + #"{"peer":"[2001:db8::7]:80","age_s":75,"why":"unused \u001b[2J"}]"#
        let output = try text(of: #""drain":{"connections":6,"queue":0,"oldest_s":75,"held_by":\#(holders)}"#)
        #expect(
            output.hasSuffix(
                """

                pid 72 waits for
                    192.0.2.7:4711    12s    a request that was not answered, for 11.8s
                    [2001:db8::7]:80  1m15s  unused \\u{1B}[2J
                    and 4 more

                """), "\(output)")
    }

    /// An older daemon doesn't say.
    @Test func whatIsNotSaidIsNotShown() throws {
        #expect(try !text(of: #""drain":{"connections":6,"queue":0,"oldest_s":75}"#).contains("pid 72 waits"))
        let nobody = #""drain":{"connections":0,"queue":0,"oldest_s":75,"held_by":[]}"#
        #expect(try !text(of: nobody).contains("pid 72 waits"))
    }

    /// The daemon names the eight oldest.
    @Test func theDaemonNamesThem() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let controlled = try ControlledDaemon(
            SharedProgram.threaded.words(port, in: folder), options: ["--workers", "1"], in: folder)
        let daemon = controlled.daemon
        try daemon.next("pool_ready")
        let gates = try (0..<9).map { try Gate(in: folder, "gate-\($0)") }
        let askers = try gates.map { try Asker(port, asking: "/gate?\($0.path)") }
        // They have been accepted when one that came later is answered.
        _ = try Asker(port, asking: "/").answer()
        daemon.signal(SIGHUP)
        try daemon.next("drain_waits")
        let output = try CommandRun.reloaderd(
            ["status"], environment: ChildProcess.plainEnvironment + ControlledDaemon.environment(of: folder)
        ).output
        let peers = output.split(separator: "\n").filter { $0.hasPrefix("    127.0.0.1:") }
        #expect(peers.count == 8, "\(output)")
        #expect(peers.allSatisfy { $0.contains("  a request that was not answered, for ") }, "\(output)")
        #expect(output.hasSuffix("    and 1 more\n"), "\(output)")
        for gate in gates { gate.letPass() }
        for asker in askers { #expect(try asker.answer()?.generation == 1) }
        try daemon.endsClean()
    }

    private func text(of drain: String) throws -> String {
        let answer = VerbStatusTests.answer().replacingOccurrences(
            of: #""drain":{"connections":2,"queue":0,"oldest_s":4.2}"#, with: drain)
        return try FakeDaemon(in: TestFolder()).answer(["status"], answer).1.output
    }
}
