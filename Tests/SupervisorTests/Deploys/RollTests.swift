// The rolling restart, with real processes.
import Glibc
import Testing

@Suite struct RollTests {
    @Test func aReloadReplacesEachSlotAndServesThroughout() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "2", "python3", Products.worker, "ready", "serve"])
        try daemon.next("pool_ready")
        #expect(Network.get(port)?.contains("generation=1") == true)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.drained()
        #expect(Network.get(port)?.contains("generation=2") == true)
        #expect(try daemon.stop() == 0)
    }
}
