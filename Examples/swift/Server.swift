// The event loop: one thread, one poll(2), any number of connections. And the drain.
//
// A drain loses nothing when every request that reaches this worker is answered by it, and no client is left to find
// out by a failed request that its connection is gone:
//   1. Everything that waits in the accept queue is accepted, then this worker's descriptor of the listener is closed.
//      The listener itself lives on in the supervisor and in the other workers, which take what comes later.
//   2. A connection that was accepted, with or without a request, gets its answer, and every answer from now on says
//      `Connection: close`: the client knows, before it sends again, that it must connect again.
//   3. An idle keep-alive connection has had an answer without that word. Closing it at once would race with a request
//      that is already on its way, so it is kept for one request more, up to `drainIdle`. A client that pauses for
//      longer than that finds the connection closed while it is idle, which every HTTP client has to expect (RFC 9112,
//      9.5). HTTP/1.1 has nothing better: what remains is a request that crosses with that very close.
import Glibc
import ReloaderWorker

struct Server {
    private let worker: Worker
    private let timeouts: Timeouts
    private let identity: String
    private var listeners: [Int32]
    private var connections: [Connection] = []
    private var isDraining = false
    /// Set while the process has no descriptor left for another connection.
    private var acceptsAgainAt: SuspendingClock.Instant?
    private var nextPing: SuspendingClock.Instant?

    /// So many at a time, so that the connections get their turn, and the other workers their share.
    private static let acceptsPerTurn = 8
    /// At the drain: more than a full queue of the default backlog.
    private static let acceptsAtDrain = 8192

    init(worker: Worker, listeners: [Int32], drainIdle: Duration) throws(Failure) {
        self.worker = worker
        self.listeners = listeners.filter(Self.accepts)
        guard !self.listeners.isEmpty else { throw Failure("none of the listeners takes connections (TCP or unix)") }
        timeouts = Timeouts(drainIdle: drainIdle)
        identity = "slot=\(worker.slot ?? 0) generation=\(worker.generation ?? 0) pid=\(getpid())\n"
        for listener in self.listeners {
            let flags = fcntl(listener, F_GETFL)
            guard flags >= 0, fcntl(listener, F_SETFL, flags | O_NONBLOCK) == 0 else {
                throw Failure("cannot use listener \(listener)", code: errno)
            }
        }
    }

    /// A datagram socket among the listeners is not for this worker.
    private static func accepts(_ descriptor: Int32) -> Bool {
        var answer: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &answer, &length) == 0 && answer == 1
    }

    /// Returns when the drain is over.
    mutating func run() throws {
        try worker.ready()
        if worker.watchdogInterval != nil { nextPing = .now }
        while !isDraining || !connections.isEmpty {
            let now = SuspendingClock.now
            pingIfDue(now)
            for connection in connections { connection.actIfDue(now: now, isDraining: isDraining) }
            connections.removeAll { $0.isFinished }
            try wait(now: now)
        }
    }

    /// One poll(2), and what it brought.
    private mutating func wait(now: SuspendingClock.Instant) throws(Failure) {
        if isDraining && connections.isEmpty { return }
        let accepts = acceptsAgainAt.map { $0 <= now } ?? true
        var polled = [pollfd(fd: isDraining ? -1 : worker.drainDescriptor, events: Int16(POLLIN), revents: 0)]
        polled += listeners.map { pollfd(fd: accepts ? $0 : -1, events: Int16(POLLIN), revents: 0) }
        polled += connections.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
        guard poll(&polled, nfds_t(polled.count), timeoutMilliseconds(now: now)) > 0 else {
            // A signal is nothing to act on here: the drain has a descriptor.
            return
        }
        let later = SuspendingClock.now
        for (entry, connection) in zip(polled.dropFirst(1 + listeners.count), connections) where entry.revents != 0 {
            connection.act(on: entry.revents, now: later, isDraining: isDraining)
        }
        for (entry, listener) in zip(polled.dropFirst(), listeners) where entry.revents != 0 {
            try accept(from: listener, atMost: Self.acceptsPerTurn, now: later)
        }
        if polled[0].revents != 0 { try beginDraining(now: later) }
    }

    private mutating func beginDraining(now: SuspendingClock.Instant) throws(Failure) {
        isDraining = true
        tell { () throws(WorkerError) in try worker.stopping() }
        for listener in listeners {
            try accept(from: listener, atMost: Self.acceptsAtDrain, now: now)
            // Never shutdown(2): that would close the listener for all workers.
            close(listener)
        }
        listeners = []
        for connection in connections { connection.drainBegan(now: now) }
    }

    private mutating func accept(
        from listener: Int32, atMost limit: Int, now: SuspendingClock.Instant
    ) throws(Failure) {
        acceptsAgainAt = nil
        for _ in 0..<limit {
            let descriptor = Glibc.accept(listener, nil, nil)
            if descriptor >= 0 {
                connections.append(
                    Connection(descriptor: descriptor, timeouts: timeouts, identity: identity, now: now))
                continue
            }
            switch errno {
            case EINTR:
                continue
            case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                // The connection stays in the queue, for another worker or until one here ends.
                acceptsAgainAt = now + .milliseconds(100)
                return
            case EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP:
                throw Failure("cannot accept from listener \(listener)", code: errno)
            default:
                // EAGAIN: empty, or another worker was faster. ECONNABORTED and the network's own errors, which Linux
                // passes on here (accept(2)): that connection is gone, the next poll tells of others.
                return
            }
        }
    }

    private mutating func pingIfDue(_ now: SuspendingClock.Instant) {
        guard let interval = worker.watchdogInterval, let due = nextPing, due <= now else { return }
        tell { () throws(WorkerError) in try worker.ping() }
        nextPing = now + interval
    }

    /// Serving matters more than telling: what can't be told to the supervisor is told to people.
    private func tell(_ message: () throws(WorkerError) -> Void) {
        do { try message() } catch { report("\(error)") }
    }

    private func timeoutMilliseconds(now: SuspendingClock.Instant) -> Int32 {
        var deadlines = connections.map { $0.deadline(isDraining: isDraining) }
        if let acceptsAgainAt { deadlines.append(acceptsAgainAt) }
        if let nextPing { deadlines.append(nextPing) }
        guard let first = deadlines.min() else { return -1 }
        if first <= now { return 0 }
        let (seconds, attoseconds) = (first - now).components
        // Rounded up, so that the time has come when poll returns.
        return Int32(min(seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1, 60_000))
    }
}

/// How long a connection may keep the worker waiting.
struct Timeouts {
    /// For its next request, in the normal course of things.
    var idle = Duration.seconds(75)
    /// For its next request, when the worker drains.
    var drainIdle: Duration
    /// For the rest of a request, or for room to write a response.
    var stalled = Duration.seconds(10)
    /// For the client to close, after the last response.
    var lingering = Duration.seconds(1)
}
