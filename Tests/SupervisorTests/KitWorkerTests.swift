// The kit in a process of its own (kit-probe), with the test as its supervisor.
import Glibc
import Testing

@Suite struct KitWorkerTests {
    private func lines(of child: KitChild) throws -> [String] {
        var lines: [String] = []
        while let line = try child.output.next() { lines.append(line) }
        return lines
    }

    @Test func takesOverWhatIsHandedToIt() throws {
        let (first, second) = (try KitListener(), try KitListener())
        let (ready, readyThere) = try KitSocket.pair()
        let messages = KitLines(ready)
        let child = try KitChild(
            KitPrograms.kitProbe, ["report"],
            environment: [
                "LISTEN_FDNAMES": "http:admin", "READY_FD": "5", "WATCHDOG_USEC": "2000000", "RELOADERD_SLOT": "1",
                "RELOADERD_GENERATION": "7", "RELOADERD_WORKERS": "4",
            ],
            handedOver: [first.descriptor, second.descriptor, readyThere], listenCount: 2)
        close(readyThere)
        #expect(
            try lines(of: child) == [
                "listener 3 http close-on-exec", "listener 4 admin close-on-exec", "slot 1", "generation 7",
                "workers 4", "watchdog 1.0 seconds", "admin 4",
            ])
        #expect(try messages.readToEnd() == "READY=1\n")
        #expect(try child.waitForExit() == 0)
    }

    @Test func runsByHand() throws {
        let child = try KitChild(KitPrograms.kitProbe, ["report"])
        #expect(
            try lines(of: child) == [
                "slot -", "generation -", "workers -", "watchdog -",
                "error no listener \"admin\": none was handed over (run under a supervisor with --listen)",
            ])
        #expect(try child.waitForExit() == 1)
    }

    @Test func saysWhoseTheListenersAre() throws {
        let child = try KitChild(KitPrograms.kitProbe, ["report"], environment: ["LISTEN_PID": "1", "LISTEN_FDS": "1"])
        let last = try #require(try lines(of: child).last)
        #expect(last.hasPrefix("error the listeners are for process 1, this is \(child.pid) (a wrapper script has to "))
    }

    @Test func announcedDescriptorsMustBeOpen() throws {
        let child = try KitChild(KitPrograms.kitProbe, ["report"], environment: ["READY_FD": "77"])
        #expect(try lines(of: child) == ["error READY_FD announces descriptor 77, which is not open"])
        let other = try KitChild(KitPrograms.kitProbe, ["report"], listenCount: 1)
        #expect(try lines(of: other) == ["error LISTEN_FDS announces descriptor 3, which is not open"])
    }

    @Test func tellsThroughTheReadyPipe() throws {
        let (ready, readyThere) = try KitSocket.pair()
        let messages = KitLines(ready)
        let child = try KitChild(
            KitPrograms.kitProbe, ["tell"], environment: ["READY_FD": "3"], handedOver: [readyThere])
        close(readyThere)
        #expect(try lines(of: child) == ["done"])
        #expect(
            try messages.readToEnd()
                == "READY=1\nSTATUS=two lines\nEXTEND_TIMEOUT_USEC=1500000\nWATCHDOG=1\nSTOPPING=1\n")
    }

    @Test func tellsThroughTheNotifySocket() throws {
        let name = "reloaderd-kit-test-\(getpid())"
        let socket = try KitListener(abstractName: name, datagrams: true)
        let child = try KitChild(KitPrograms.kitProbe, ["tell"], environment: ["NOTIFY_SOCKET": "@\(name)"])
        #expect(try lines(of: child) == ["done"])
        for expected in ["READY=1", "STATUS=two lines", "EXTEND_TIMEOUT_USEC=1500000", "WATCHDOG=1", "STOPPING=1"] {
            #expect(try socket.receiveDatagram() == expected)
        }
    }

    @Test func survivesASupervisorThatIsGone() throws {
        let (ready, readyThere) = try KitSocket.pair()
        let child = try KitChild(
            KitPrograms.kitProbe, ["orphan"], environment: ["READY_FD": "3"], handedOver: [readyThere])
        close(readyThere)
        #expect(try child.output.next() == "up")
        close(ready)
        child.closeInput()
        #expect(try lines(of: child) == ["write READY_FD 3: Broken pipe", "alive"])
        #expect(try child.waitForExit() == 0)
    }

    @Test func drainWakesAPollLoop() throws {
        let child = try KitChild(KitPrograms.kitProbe, ["poll"])
        #expect(try child.output.next() == "draining false")
        child.signal(SIGUSR2)
        #expect(try child.output.next() == "draining true")
        #expect(try child.waitForExit() == 0)
    }

    @Test func drainWakesTasks() throws {
        let child = try KitChild(KitPrograms.kitProbe, ["async"])
        #expect(try child.output.next() == "cancelled true")
        #expect(try child.output.next() == "waiting")
        child.signal(SIGTERM)
        #expect(try child.output.next() == "drained 100")
        #expect(try child.waitForExit() == 0)
    }
}
