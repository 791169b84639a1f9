// A drain from outside: a worker's connections are watched until none is left; those that are idle are closed as if their
// clients had.
internal import CLinux
internal import Glibc
internal import Reloader

/// One worker that is emptied. Looked at again and again by the daemon's drain timer, until it is done.
final class Drain {
    /// How long all must be empty: a connection that the kernel had begun to set up when it was steered away may still come.
    static let settle = Duration.milliseconds(200)
    /// A connection that has never carried a request is given this many times the idle time of one that has.
    static let patienceWithUnused: UInt32 = 20

    /// Who has just had an answer does not ask again within a moment, and who was silent for longer may do so any moment: a
    /// connection is closed in the first moment of its silence, or when a drain has waited this long for that.
    static let patienceWithSilent = Duration.milliseconds(500)

    /// A look at ten thousand connections takes its time: the daemon spends at most a tenth of its own on one drain.
    private static let costFactor = 10
    private static let quickPauseMilliseconds: UInt32 = 10
    private static let tellingInterval = Duration.seconds(5)

    let worker: WorkerProcess
    let startedAt: Instant
    private let sockets: [SharedSocket]
    private let takesConnections: Bool
    private let idleMilliseconds: UInt32
    private var handshakes: Handshakes
    private var emptySince: Instant?
    /// Sockets that are none of this drain's business, and connections that were closed for reading already.
    private var others: Set<UInt64> = []
    private var shut: Set<UInt64> = []
    private(set) var nextLook: Instant
    private var lastToldAt: Instant
    /// What still holds it open.
    private(set) var connections = 0
    private(set) var waiting = 0

    /// - Parameter takesConnections: else only the queues are waited for, and the worker sees its connections off itself.
    init(_ worker: WorkerProcess, sockets: [SharedSocket], takesConnections: Bool, idle: Duration, at now: Instant) {
        self.takesConnections = takesConnections
        self.worker = worker
        self.sockets = sockets
        handshakes = Handshakes(to: Set(sockets.filter { !$0.address.isDatagram }.map { $0.address.port }), at: now)
        idleMilliseconds = UInt32(clamping: idle.nanoseconds / 1_000_000)
        startedAt = now
        nextLook = now
        lastToldAt = now
    }

    /// How long to wait before the next look: often at first, when a moment counts, seldom when clients take their time.
    private func pause(at now: Instant) -> Duration {
        switch now - startedAt {
        case ..<Duration.seconds(2): .milliseconds(Int64(Self.quickPauseMilliseconds))
        case ..<Duration.seconds(10): .milliseconds(50)
        default: .milliseconds(250)
        }
    }

    /// True once in each while of a drain that takes long.
    func isWorthTelling(at now: Instant) -> Bool {
        guard now - lastToldAt >= Self.tellingInterval else { return false }
        lastToldAt = now
        return true
    }

    /// Looks once; true when nothing is left.
    func isDone(at now: Instant) -> Bool {
        defer { nextLook = now + max(pause(at: now), (MonotonicClock.now() - now) * Self.costFactor) }
        waiting = sockets.reduce(0) { $0 + ($1.queue ?? 0) }
        connections = 0
        if takesConnections { for process in ProcessTree.processes(of: worker.pid) { look(at: process, now) } }
        guard handshakes.areOver(at: now), connections == 0 && waiting == 0 else {
            emptySince = nil
            return false
        }
        let since = emptySince ?? now
        emptySince = since
        return now - since >= Self.settle || sockets.isEmpty
    }

    private func look(at process: Int32, _ now: Instant) {
        let candidates = OpenSockets.all(of: process).filter { !others.contains($0.inode) }
        if candidates.isEmpty { return }
        let number = rl_pidfd_open(process)
        if number < 0 { return }  // it has just ended
        let pidfd = FileDescriptor(owning: number)
        for (descriptor, inode) in candidates {
            let copy = rl_take_descriptor(pidfd.number, descriptor)
            if copy < 0 { continue }  // closed a moment ago
            look(at: FileDescriptor(owning: copy), inode: inode, now)
        }
    }

    private func look(at socket: borrowing FileDescriptor, inode: UInt64, _ now: Instant) {
        var state = rl_tcp()
        guard isOnSharedPort(socket), rl_tcp_state(socket.number, &state) == 0, state.state != UInt8(TCP_LISTEN) else {
            others.insert(inode)
            return
        }
        if state.state == UInt8(TCP_CLOSE) { return }
        connections += 1
        if state.state == UInt8(TCP_ESTABLISHED), isIdle(state, at: now), !shut.contains(inode) {
            shut.insert(inode)
            _ = shutdown(socket.number, Int32(SHUT_RD))
        }
    }

    /// It has answered all that it was asked, and nobody has spoken since.
    private func isIdle(_ state: rl_tcp, at now: Instant) -> Bool {
        if state.bytes_unread > 0 || state.has_unsent { return false }
        if !state.has_answered { return state.idle_milliseconds >= idleMilliseconds &* Self.patienceWithUnused }
        guard state.answered_last && state.idle_milliseconds >= idleMilliseconds else { return false }
        let moment = max(idleMilliseconds / 2, 2 * Self.quickPauseMilliseconds)
        return state.idle_milliseconds < idleMilliseconds &+ moment || now - startedAt >= Self.patienceWithSilent
    }

    private func isOnSharedPort(_ socket: borrowing FileDescriptor) -> Bool {
        let port: UInt16?
        do throws(SystemError) { port = try SocketAddress.port(of: socket) } catch { return false }
        return sockets.contains { $0.address.port == port }
    }
}
