// What the environment says about the descriptors that were handed over. Pure: takes variables, returns facts, and
// touches no descriptor.
//
// Sources: sd_listen_fds(3) (LISTEN_*), sd_watchdog_enabled(3) (WATCHDOG_*), sd_notify(3) (NOTIFY_SOCKET), and
// reloaderd(8) (READY_FD, RELOADERD_*).

struct Inheritance: Equatable {
    var listeners: [InheritedListener] = []
    /// Set if there are listeners, but they are for this other process. They are ignored then, as sd_listen_fds(3)
    /// requires.
    var listenersMeantFor: Int32?
    var readyDescriptor: Int32?
    var notifySocket: String?
    var watchdogInterval: Duration?
    var slot: Int?
    var generation: Int?
    var workers: Int?

    /// The variables that concern this one process; a child that saw them would take them for its own.
    static let consumedVariables = [
        "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "READY_FD", "NOTIFY_SOCKET", "WATCHDOG_USEC",
        "WATCHDOG_PID",
    ]

    private static let firstListener: Int32 = 3
    /// The number of descriptors that a process may have without asking for more.
    private static let listenersMax = 1021

    init() {}

    init(_ variables: [String: String], processID: Int32) throws(WorkerError) {
        let environment = Numbers(variables: variables)
        try readListeners(environment, processID: processID)
        try readWatchdog(environment, processID: processID)
        readyDescriptor = try environment.number("READY_FD", in: 0...Int(Int32.max)).map(Int32.init)
        if let address = variables["NOTIFY_SOCKET"], !address.isEmpty { notifySocket = address }
        slot = try environment.number("RELOADERD_SLOT", in: 0...Int.max)
        generation = try environment.number("RELOADERD_GENERATION", in: 1...Int.max)
        workers = try environment.number("RELOADERD_WORKERS", in: 1...Int.max)
    }

    private mutating func readListeners(_ environment: Numbers, processID: Int32) throws(WorkerError) {
        guard environment.variables["LISTEN_FDS"] != nil,
            let owner = try environment.number("LISTEN_PID", in: 1...Int(Int32.max))
        else { return }
        guard owner == Int(processID) else {
            listenersMeantFor = Int32(owner)
            return
        }
        let count = try environment.number("LISTEN_FDS", in: 0...Self.listenersMax) ?? 0
        var names = [String](repeating: "unknown", count: count)
        if let list = environment.variables["LISTEN_FDNAMES"] {
            names = list.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            if count == 0, names == [""] { names = [] }
            guard names.count == count else {
                throw .invalidVariable(name: "LISTEN_FDNAMES", value: list, expected: "\(count) names separated by :")
            }
        }
        listeners = names.enumerated().map { index, name in
            InheritedListener(descriptor: Self.firstListener + Int32(index), name: name)
        }
    }

    private mutating func readWatchdog(_ environment: Numbers, processID: Int32) throws(WorkerError) {
        let owner = try environment.number("WATCHDOG_PID", in: 1...Int(Int32.max))
        guard owner == nil || owner == Int(processID) else { return }
        guard let microseconds = try environment.number("WATCHDOG_USEC", in: 1...Int.max) else { return }
        watchdogInterval = .microseconds(microseconds) / 2
    }
}

/// Numbers from an environment, checked.
private struct Numbers {
    var variables: [String: String]

    func number(_ name: String, in range: ClosedRange<Int>) throws(WorkerError) -> Int? {
        guard let value = variables[name] else { return nil }
        let isDecimal = !value.isEmpty && value.utf8.allSatisfy { (48...57).contains($0) }
        guard isDecimal, let number = Int(value), range.contains(number) else {
            let bound = range.upperBound == .max ? "up" : "to \(range.upperBound)"
            throw .invalidVariable(name: name, value: value, expected: "a number from \(range.lowerBound) \(bound)")
        }
        return number
    }
}
