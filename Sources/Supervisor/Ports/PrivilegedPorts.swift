// Which privileged ports the daemon binds for workers that may not bind them themselves, as with --user. A worker that
// was taken over by an attacker must not get a port of its choice that way. So it is those ports that the operator has
// named, and those that a slot's first worker bound before it was ready: before that it had no clients, and did what
// the operator had started.
internal import Glibc
internal import Reloader

struct PrivilegedPorts: Codable {
    private struct Port: Codable, Hashable {
        let number: UInt16
        let isDatagram: Bool
    }

    /// A worker that counts as ready when it listens may be about to listen on more.
    private static let settlingTime = Duration.seconds(1)

    private let slots: Int
    private let settlingTime: Duration
    private var learned: Set<Port> = []
    /// When each slot first had a worker that was ready.
    private var readySince: [Int: Instant] = [:]

    /// - Parameters:
    ///   - slots: how many there are at the start. Those that are added later bring no ports of their own.
    ///   - isReadyByListening: workers that listen count as ready.
    init(slots: Int, isReadyByListening: Bool) {
        self.slots = slots
        settlingTime = isReadyByListening ? Self.settlingTime : .zero
    }

    /// The caller may bind the address, or the daemon may bind it for this caller.
    ///
    /// - Parameters:
    ///   - named: `--share PORT`.
    ///   - task: the process or thread that calls, which waits in its call, so that its rights stay as they are.
    func permits(
        _ address: SharedAddress, to task: Int32, of worker: WorkerProcess, named: Set<UInt16>, at now: Instant
    ) -> Bool {
        guard address.port < Self.firstUnprivileged, !named.contains(address.port),
            !learned.contains(Port(number: address.port, isDatagram: address.isDatagram)),
            !isOpen(to: worker, at: now)
        else { return true }
        // What the daemon may not do either, the kernel refuses to both.
        return Rights.includeLowPorts(of: "\(task)") || !Rights.includeLowPorts(of: "self")
    }

    /// The worker has bound the address.
    mutating func bound(_ address: SharedAddress, by worker: WorkerProcess, at now: Instant) {
        guard address.port < Self.firstUnprivileged, isOpen(to: worker, at: now) else { return }
        learned.insert(Port(number: address.port, isDatagram: address.isDatagram))
    }

    mutating func workerIsReady(in slot: Int, at now: Instant) {
        if readySince[slot] == nil { readySince[slot] = now }
    }

    /// Its slot has never had a worker that was ready for long enough. A later generation counts as the first as long
    /// as no worker of any slot was ready: it mends a start that has failed.
    private func isOpen(to worker: WorkerProcess, at now: Instant) -> Bool {
        guard worker.slot < slots else { return false }
        if let since = readySince[worker.slot] { return now - since < settlingTime }
        return worker.generation.number == 1 || readySince.isEmpty
    }

    /// ip(7)
    private static var firstUnprivileged: UInt16 {
        ProcFile.lines("/proc/sys/net/ipv4/ip_unprivileged_port_start").first.flatMap { UInt16($0) } ?? 1024
    }
}

/// What a task may do, from proc(5).
private enum Rights {
    private static let bindLowPorts: UInt64 = 1 << 10  // CAP_NET_BIND_SERVICE

    /// Rights in a user namespace of its own, which everybody can make, say nothing of the daemon's network.
    static func includeLowPorts(of task: String) -> Bool {
        guard let text = ProcFile.field("CapEff:", in: "/proc/\(task)/status"), let set = UInt64(text, radix: 16),
            set & bindLowPorts != 0, let namespace = namespace(of: task)
        else { return false }
        return namespace == Self.namespace(of: "self")
    }

    private static func namespace(of task: String) -> String? { ProcFile.link("/proc/\(task)/ns/user") }
}
