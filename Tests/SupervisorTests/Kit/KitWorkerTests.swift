// The kit in a process of its own (kit-probe), with the test as its supervisor.
import Glibc
import Testing

@Suite struct KitWorkerTests {
    /// - Parameters:
    ///   - inheriting: become its descriptors 3, 4, …
    ///   - listeners: so many of these are announced as listeners.
    private func probe(
        _ mode: String, _ variables: [String] = [], inheriting: [Int32] = [], listeners: Int? = nil
    ) throws -> ChildProcess {
        try ChildProcess(
            (listeners.map(Launcher.announcing) ?? []) + [Products.kitProbe, mode],
            environment: ChildProcess.plainEnvironment + variables, inheriting: inheriting)
    }

    @Test func takesOverWhatIsHandedToIt() throws {
        let (first, second) = (try TestListener(), try TestListener())
        let (ready, readyThere) = try ChildProcess.pipe()
        let messages = LineReader(owning: ready)
        let child = try probe(
            "report",
            [
                "LISTEN_FDNAMES=http:admin", "READY_FD=5", "WATCHDOG_USEC=2000000", "RELOADERD_SLOT=1",
                "RELOADERD_GENERATION=7", "RELOADERD_WORKERS=4",
            ],
            inheriting: [first.number, second.number, readyThere], listeners: 2)
        close(readyThere)
        #expect(
            try child.output.rest() == [
                "listener 3 http close-on-exec", "listener 4 admin close-on-exec", "slot 1", "generation 7",
                "workers 4", "watchdog 1.0 seconds", "admin 4",
            ])
        #expect(try messages.text() == "READY=1\n")
        #expect(try child.wait() == 0)
    }

    @Test func runsByHand() throws {
        let child = try probe("report")
        #expect(
            try child.output.rest() == [
                "slot -", "generation -", "workers -", "watchdog -",
                "error no listener \"admin\": none was handed over (run under a supervisor with --listen)",
            ])
        #expect(try child.wait() == 1)
    }

    @Test func saysWhoseTheListenersAre() throws {
        let child = try probe("report", ["LISTEN_PID=1", "LISTEN_FDS=1"])
        let last = try #require(try child.output.rest().last)
        #expect(last.hasPrefix("error the listeners are for process 1, this is \(child.pid) (a wrapper script has to "))
    }

    @Test func announcedDescriptorsMustBeOpen() throws {
        let child = try probe("report", ["READY_FD=77"])
        #expect(try child.output.rest() == ["error READY_FD announces descriptor 77, which is not open"])
        let other = try probe("report", listeners: 1)
        #expect(try other.output.rest() == ["error LISTEN_FDS announces descriptor 3, which is not open"])
    }

    @Test func tellsThroughTheReadyPipe() throws {
        let (ready, readyThere) = try ChildProcess.pipe()
        let messages = LineReader(owning: ready)
        let child = try probe("tell", ["READY_FD=3"], inheriting: [readyThere])
        close(readyThere)
        #expect(try child.output.rest() == ["done"])
        #expect(
            try messages.text()
                == "READY=1\nSTATUS=two lines\nEXTEND_TIMEOUT_USEC=1500000\nWATCHDOG=1\nSTOPPING=1\n")
    }

    @Test func tellsThroughTheNotifySocket() throws {
        let socket = try NotifyReceiver("@reloaderd-kit-test-\(getpid())")
        let child = try probe("tell", ["NOTIFY_SOCKET=\(socket.address)"])
        #expect(try child.output.rest() == ["done"])
        for expected in ["READY=1", "STATUS=two lines", "EXTEND_TIMEOUT_USEC=1500000", "WATCHDOG=1", "STOPPING=1"] {
            #expect(try socket.next() == [expected])
        }
    }

    @Test func survivesASupervisorThatIsGone() throws {
        let (ready, readyThere) = try ChildProcess.pipe()
        let child = try probe("orphan", ["READY_FD=3"], inheriting: [readyThere])
        close(readyThere)
        #expect(try child.output.next() == "up")
        close(ready)
        child.closeInput()
        #expect(try child.output.rest() == ["write READY_FD 3: Broken pipe", "alive"])
        #expect(try child.wait() == 0)
    }

    @Test func drainWakesAPollLoop() throws {
        let child = try probe("poll")
        #expect(try child.output.next() == "draining false")
        child.signal(SIGUSR2)
        #expect(try child.output.next() == "draining true")
        #expect(try child.wait() == 0)
    }

    @Test func drainWakesTasks() throws {
        let child = try probe("async")
        #expect(try child.output.next() == "cancelled true")
        #expect(try child.output.next() == "waiting")
        child.signal(SIGTERM)
        #expect(try child.output.next() == "drained 100")
        #expect(try child.wait() == 0)
    }
}
