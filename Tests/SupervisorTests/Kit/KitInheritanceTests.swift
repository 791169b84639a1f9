// What the kit reads out of an environment: pure, so no process is needed.
import Testing

@testable import ReloaderWorker

@Suite struct KitInheritanceTests {
    private func inherit(_ variables: [String: String]) throws -> Inheritance {
        try Inheritance(variables, processID: 42)
    }

    @Test func nothingIsInheritedByHand() throws {
        #expect(try inherit([:]) == Inheritance())
    }

    @Test func listenersBeginAtThreeInOrder() throws {
        let inherited = try inherit(["LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:admin"])
        #expect(inherited.listeners.map(\.descriptor) == [3, 4])
        #expect(inherited.listeners.map(\.name) == ["http", "admin"])
    }

    @Test func listenersWithoutNamesAreUnknown() throws {
        #expect(try inherit(["LISTEN_PID": "42", "LISTEN_FDS": "2"]).listeners.map(\.name) == ["unknown", "unknown"])
    }

    @Test func listenersOfAnotherProcessAreLeftAlone() throws {
        let inherited = try inherit(["LISTEN_PID": "41", "LISTEN_FDS": "1"])
        #expect(inherited.listeners.isEmpty)
        #expect(inherited.listenersMeantFor == 41)
    }

    @Test func listenersWithoutOwnerAreLeftAlone() throws {
        #expect(try inherit(["LISTEN_FDS": "1"]) == Inheritance())
    }

    @Test func noListenersMayBeAnnounced() throws {
        #expect(try inherit(["LISTEN_PID": "42", "LISTEN_FDS": "0", "LISTEN_FDNAMES": ""]).listeners.isEmpty)
    }

    @Test func poolIsTold() throws {
        let inherited = try inherit([
            "RELOADERD_SLOT": "0", "RELOADERD_GENERATION": "3", "RELOADERD_WORKERS": "4", "READY_FD": "5",
            "NOTIFY_SOCKET": "@x",
        ])
        #expect(inherited.slot == 0)
        #expect(inherited.generation == 3)
        #expect(inherited.workers == 4)
        #expect(inherited.readyDescriptor == 5)
        #expect(inherited.notifySocket == "@x")
    }

    @Test func watchdogIsPingedAtHalfItsTime() throws {
        #expect(try inherit(["WATCHDOG_USEC": "3000000"]).watchdogInterval == .microseconds(1_500_000))
        #expect(try inherit(["WATCHDOG_USEC": "5", "WATCHDOG_PID": "42"]).watchdogInterval == .nanoseconds(2500))
        #expect(try inherit(["WATCHDOG_USEC": "5", "WATCHDOG_PID": "41"]).watchdogInterval == nil)
    }

    @Test(arguments: [
        ["LISTEN_PID": "x", "LISTEN_FDS": "1"], ["LISTEN_PID": "42", "LISTEN_FDS": "-1"],
        ["LISTEN_PID": "42", "LISTEN_FDS": "1022"], ["LISTEN_PID": "42", "LISTEN_FDS": ""],
        ["LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "one"],
        ["READY_FD": "4294967296"], ["READY_FD": " 5"], ["WATCHDOG_USEC": "0"], ["WATCHDOG_USEC": "soon"],
        ["RELOADERD_SLOT": "-1"], ["RELOADERD_GENERATION": "0"], ["RELOADERD_WORKERS": "99999999999999999999"],
    ])
    func badValuesAreNamed(variables: [String: String]) throws {
        let error = try #require(throws: WorkerError.self) { try inherit(variables) }
        guard case .invalidVariable(let name, let value, _) = error else {
            Issue.record("another error: \(error)")
            return
        }
        #expect(variables[name] == value)
        #expect(error.description.hasPrefix("\(name)=\(value): expected "))
    }

    @Test func statusIsOneLineOfBoundedLength() {
        #expect(StatusLine.make(from: "a\nb\u{7f}c") == "a b c")
        #expect(StatusLine.make(from: String(repeating: "é", count: 1000)).utf8.count == 1024)
        #expect(StatusLine.make(from: "x" + String(repeating: "é", count: 1000)).utf8.count == 1023)
    }
}
