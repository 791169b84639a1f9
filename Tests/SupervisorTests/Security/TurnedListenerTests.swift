// A worker makes something else of a listener that the daemon has opened for it.
import Foundation
import Testing

@Suite struct TurnedListenerTests {
    /// Slot 1's worker turns its listener into a connection that nobody reads, so that its last close waits for ten
    /// minutes. The daemon's close of a removed slot's listener is the last one.
    @Test(arguments: ["slot", "shared"]) func itHoldsUpNobody(_ balance: String) throws {
        let sink = try ChildProcess([
            Apps.python, "-ISc",
            """
            import socket
            s = socket.create_server(("127.0.0.1", 0))
            print(s.getsockname()[1], flush=True)
            input()
            """,
        ])
        let port = try #require(try sink.output.next())
        let script = """
            import os, signal, socket, struct
            s = socket.socket(fileno=3)
            if os.environ["RELOADERD_SLOT"] == "1":
                s.shutdown(socket.SHUT_RDWR)
                s.connect(("127.0.0.1", \(port)))
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
                s.setblocking(False)
                try:
                    while True: s.send(b"x" * 65536)
                except BlockingIOError: pass
            os.write(int(os.environ["READY_FD"]), b"READY=1\\n")
            signal.pause()
            """
        let app = try ControlledDaemon(
            [Apps.python, "-ISc", script],
            options: ["-w", "2", "--listen", "127.0.0.1:0", "--balance", balance, "--stop-timeout", "1s"])
        try app.daemon.next("pool_ready")
        #expect(try app.ask("scale", ["to": 1]).isOK)
        while try app.daemon.next("worker_exited").slot != 1 {}
        #expect(try app.ask("status").isOK)
        #expect(try app.ask("scale", ["to": 2]).isOK)
        #expect(try app.ask("status").isOK)
        #expect(try app.daemon.stop() == 0)
        sink.closeInput()
        try sink.wait()
    }
}
