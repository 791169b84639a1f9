// How a worker is emptied: its connections are watched until none is left, and those that are proven idle are closed as
// if their clients had closed them. The core's `EmptyingTerms` decide what is idle.
internal import CLinux
internal import Glibc
internal import Reloader

/// One worker that is being emptied. Its connections are looked at again and again until it is done; see `Emptyings`.
final class Emptying {
    /// How long everything must have been empty: a connection that the kernel had begun to set up when new ones were
    /// steered away may still come.
    static let settle = Duration.milliseconds(200)

    /// A look at ten thousand connections takes a while: the daemon spends at most a tenth of its time on one worker.
    private static let costFactor = 10
    private static let tellingInterval = Duration.seconds(5)
    /// How many of the connections that hold a worker are named.
    static let holdersShown = 8

    /// One connection, from the look that finds it to the first look that does not.
    private struct Watched {
        let peer: String
        let since: Instant
        var history = ConnectionHistory()
        var reason = BusyReason.toldToEnd
        var isClosedForReading = false
        /// The number of the last look that saw it.
        var look = 0
    }

    /// A connection that is not closed yet, and the reason.
    struct Holder {
        let peer: String
        /// How long the connection has been known: at most since the emptying began.
        let age: Duration
        let reason: BusyReason

        /// `192.0.2.7:4711 12.3s: unused for 0.3s`
        var words: String { "\(peer) \(LogFormatter.seconds(age))s: \(reason.words)" }
    }

    let worker: WorkerProcess
    let startedAt: Instant
    private let sockets: [SharedSocket]
    private let takesConnections: Bool
    private let shortestIdle: Duration
    private let limit: Duration
    private var handshakes: Handshakes
    /// The last look could not see everything: there may be connections that it missed.
    private(set) var isBlind = false
    private var emptySince: Instant?
    /// Sockets that are not connections on the worker's shared ports.
    private var others: Set<UInt64> = []
    /// By inode: a connection may be open in several processes.
    private var watched: [UInt64: Watched] = [:]
    private var look = 0
    private(set) var nextLook: Instant
    private var lastToldAt: Instant
    private(set) var waiting = 0

    /// - Parameters:
    ///   - takesConnections: if false, only the queues are waited for, and the worker finishes its connections itself.
    ///   - idle: `--drain-idle`.
    ///   - limit: `--drain-timeout`, by which the core ends the emptying.
    init(
        _ worker: WorkerProcess, sockets: [SharedSocket], takesConnections: Bool, idle: Duration, limit: Duration,
        at now: Instant
    ) {
        self.takesConnections = takesConnections
        self.worker = worker
        self.sockets = sockets
        self.limit = limit
        shortestIdle = idle
        handshakes = Handshakes(to: Set(sockets.filter { !$0.address.isDatagram }.map { $0.address.port }), at: now)
        startedAt = now
        nextLook = now
        lastToldAt = now
    }

    /// How many connections are left.
    var connections: Int { watched.count }

    /// The connections that are left, the oldest first, at most `count`.
    func holders(atMost count: Int, at now: Instant) -> [Holder] {
        watched.sorted { ($0.value.since, $0.key) < ($1.value.since, $1.key) }.prefix(count).map {
            Holder(peer: $0.value.peer, age: now - $0.value.since, reason: $0.value.reason)
        }
    }

    private func terms(at now: Instant, isReplaced: Bool) -> EmptyingTerms {
        EmptyingTerms(age: now - startedAt, limit: limit, shortestIdle: shortestIdle, isReplaced: isReplaced)
    }

    /// How long to wait before the next look: a short time at first, so that at most one request comes between two
    /// looks and a good moment is not missed; longer if clients take their time.
    private func pause(at now: Instant) -> Duration {
        if terms(at: now, isReplaced: true).isLastCall { return .milliseconds(10) }
        return switch now - startedAt {
        case ..<Duration.seconds(10): .milliseconds(10)
        case ..<Duration.seconds(60): .milliseconds(50)
        default: .milliseconds(250)
        }
    }

    /// True once in each `tellingInterval`, if the emptying takes that long.
    func isWorthTelling(at now: Instant) -> Bool {
        guard now - lastToldAt >= Self.tellingInterval else { return false }
        lastToldAt = now
        return true
    }

    /// Looks once; returns true if nothing is left.
    ///
    /// - Parameter isReplaced: other workers go on serving, so that nothing waits for the end of this one.
    func isDone(at now: Instant, isReplaced: Bool) -> Bool {
        defer { nextLook = now + max(pause(at: now), (MonotonicClock.now() - now) * Self.costFactor) }
        waiting = sockets.reduce(0) { $0 + ($1.queue ?? 0) }
        isBlind = false
        if takesConnections {
            look += 1
            let terms = terms(at: now, isReplaced: isReplaced)
            let tree = ProcessTree.look(at: worker.pid)
            isBlind = !tree.isComplete
            for process in tree.processes { look(at: process, by: terms, now) }
            if !isBlind { watched = watched.filter { $0.value.look == look } }
        }
        guard handshakes.areOver(at: now), connections == 0 && waiting == 0 && !isBlind else {
            emptySince = nil
            return false
        }
        let since = emptySince ?? now
        emptySince = since
        return now - since >= Self.settle || sockets.isEmpty
    }

    private func look(at process: Int32, by terms: EmptyingTerms, _ now: Instant) {
        do throws(SystemError) {
            for table in try ProcessTree.tables(of: process) { look(atTableOf: table, by: terms, now) }
        } catch { isBlind = true }
    }

    private func look(atTableOf thread: Int32, by terms: EmptyingTerms, _ now: Instant) {
        var left = Int.max
        guard let open = OpenSockets.look(atTableOf: thread, atMost: &left) else { return isBlind = true }
        let candidates = open.filter { !others.contains($0.inode) }
        if candidates.isEmpty { return }
        let number = rl_open_thread(thread)
        if number < 0 {
            isBlind = isBlind || errno != ESRCH  // ESRCH: it has just ended
            return
        }
        let pidfd = FileDescriptor(owning: number)
        for (descriptor, inode) in candidates where watched[inode]?.look != look {
            let copy = rl_take_descriptor(pidfd.number, descriptor)
            if copy < 0 {
                isBlind = isBlind || (errno != EBADF && errno != ESRCH)  // it was closed a moment ago
                continue
            }
            look(at: FileDescriptor(owning: copy), inode: inode, by: terms, now)
        }
    }

    private func look(at socket: borrowing FileDescriptor, inode: UInt64, by terms: EmptyingTerms, _ now: Instant) {
        var state = rl_tcp()
        guard watched[inode] != nil || isOnSharedPort(socket) else {
            others.insert(inode)
            return
        }
        if rl_tcp_state(socket.number, &state) < 0 && SystemError.isShortage(errno) { return isBlind = true }
        // 0: it is no TCP socket.
        if state.state == 0 || state.state == UInt8(TCP_LISTEN) {
            others.insert(inode)
            return
        }
        if state.state == UInt8(TCP_CLOSE) { return }
        var connection = watched[inode] ?? Watched(peer: Self.peer(of: socket), since: now)
        connection.look = look
        defer { watched[inode] = connection }
        if connection.isClosedForReading { return }
        let facts = ConnectionFacts(state)
        connection.history.note(facts, at: now)
        switch terms.verdict(on: facts, connection.history) {
        case .busy(let reason): connection.reason = reason
        case .idle:
            // Look once more, as late as possible: what arrives from now on arrives at a server that closes.
            guard rl_tcp_state(socket.number, &state) == 0, state.bytes_received == facts.bytesReceived,
                state.bytes_sent == facts.bytesSent
            else { return }
            connection.isClosedForReading = true
            connection.reason = .toldToEnd
            // This fails if the client has just reset the connection.
            _ = shutdown(socket.number, Int32(SHUT_RD))
        }
    }

    private func isOnSharedPort(_ socket: borrowing FileDescriptor) -> Bool {
        let port: UInt16?
        do throws(SystemError) { port = try SocketAddress.port(of: socket) } catch { return false }
        return sockets.contains { $0.address.port == port }
    }

    private static func peer(of socket: borrowing FileDescriptor) -> String {
        do throws(SystemError) {
            let bytes = try SocketAddress.peerBytes(of: socket)
            return SharedAddress(bytes, isIPv6Only: false)?.description ?? "unknown"
        } catch { return "unknown" }  // the connection has just been reset
    }
}

extension ConnectionFacts {
    init(_ state: rl_tcp) {
        self.init()
        side =
            switch Int32(state.state) {
            case Int32(TCP_ESTABLISHED), Int32(TCP_SYN_RECV): .open
            case Int32(TCP_CLOSE_WAIT): .endedByClient
            default: .endedByWorker
            }
        bytesReceived = state.bytes_received
        bytesUnread = state.bytes_unread
        bytesSent = state.bytes_sent
        bytesUnsent = state.bytes_unsent
        segmentsUnacknowledged = state.segments_unacked
        sentAgo = state.sent_ago
        receivedAgo = state.received_ago
        acknowledgedAgo = state.acked_ago
        roundTrip = state.round_trip
        acknowledgementDelay = state.ack_delay
        segmentsReceived = state.segments_in
        segmentsSent = state.segments_out
        dataSegmentsReceived = state.data_segments_in
        dataSegmentsSent = state.data_segments_out
        acknowledgesByItself = state.quick_ack
    }
}

/// Why a connection holds a worker that is emptied, in words for the log and for `status`.
extension BusyReason {
    var words: String {
        switch self {
        case .unread(let bytes): "\(bytes) \(bytes == 1 ? "byte" : "bytes") that the program has not read"
        case .sending: "an answer on its way"
        case .unanswered(let time): "a request unanswered for \(Self.seconds(time))"
        case .undecided(let time):
            "answered \(Self.seconds(time)) ago and perhaps asked again in the same moment"
        case .answered(let time): "answered \(Self.seconds(time)) ago (answers pause)"
        case .streams(let time): "sent to \(Self.seconds(time)) ago (a stream, which pauses)"
        case .unused(let time): "unused for \(Self.seconds(time))"
        case .endedByClient: "the client has ended its side, the program has not"
        case .endedByWorker: "the program has ended its side, the client has not"
        case .toldToEnd: "idle and closed for reading, the program has not closed it yet"
        }
    }

    /// `1.2s`.
    private static func seconds(_ duration: Duration) -> String {
        let tenths = max(0, duration.nanoseconds) / 100_000_000
        return "\(tenths / 10).\(tenths % 10)s"
    }
}

/// The workers that are being emptied. Nothing announces that a connection becomes idle, so a timer drives the looks at
/// them; while no worker is being emptied, no timer is armed.
final class Emptyings {
    private let story: Story
    private var byWorker: [WorkerID: Emptying] = [:]

    init(_ story: Story) { self.story = story }

    subscript(worker: WorkerID) -> Emptying? { byWorker[worker] }

    /// No worker is being emptied.
    var areDone: Bool { byWorker.isEmpty }

    /// When to look at one of them next; nil if there is none.
    var nextLook: Instant? { byWorker.values.lazy.map { $0.nextLook }.min() }

    /// Begins to empty a worker. Returns `emptied` at once if there is nothing to wait for.
    ///
    /// - Parameters:
    ///   - sockets: the sockets whose queues the worker has to empty.
    ///   - takesConnections: if false, only the queues are waited for, and the worker finishes its connections itself.
    func begin(
        with worker: WorkerProcess, _ sockets: [SharedSocket], takesConnections: Bool, _ settings: Settings
    ) -> Event? {
        if sockets.isEmpty { return .emptied(worker.id) }
        byWorker[worker.id] = Emptying(
            worker, sockets: sockets, takesConnections: takesConnections, idle: settings.drainIdle,
            limit: settings.drainTimeout, at: MonotonicClock.now())
        return nil
    }

    /// Looks at the workers whose time has come; returns `emptied` for each that is done.
    ///
    /// - Parameter isReplaced: other workers go on serving, so that nothing waits for the end of these.
    func look(isReplaced: Bool) -> [Event] {
        let now = MonotonicClock.now()
        var events: [Event] = []
        for (id, emptying) in byWorker where emptying.nextLook <= now {
            if emptying.isDone(at: now, isReplaced: isReplaced) {
                byWorker[id] = nil
                events.append(.emptied(id))
            } else if emptying.isWorthTelling(at: now) {
                tell(
                    emptying, .info, "drain_waits",
                    emptying.isBlind
                        ? "worker may have connections: not all of its processes can be looked at now"
                        : "worker still has connections")
            }
        }
        return events
    }

    /// Gives up on emptying the worker, because its time is over: it gets its stop signal.
    func end(with worker: WorkerID) {
        guard let emptying = byWorker.removeValue(forKey: worker) else { return }
        tell(emptying, .warning, "drain_timed_out", "worker is asked to finish while connections are still open")
    }

    /// Call it when the worker has ended.
    func forget(_ worker: WorkerID) { byWorker[worker] = nil }

    private func tell(_ emptying: Emptying, _ level: LogRecord.Level, _ event: String, _ message: String) {
        let now = MonotonicClock.now()
        var fields: [(key: String, value: LogRecord.Value)] = [
            ("connections", .number(emptying.connections)), ("queue", .number(emptying.waiting)),
            ("for", .duration(now - emptying.startedAt)),
        ]
        let holders = emptying.holders(atMost: Emptying.holdersShown, at: now)
        if !holders.isEmpty { fields.append(("held_by", .text(holders.map { $0.words }.joined(separator: "; ")))) }
        story.tell(emptying.worker.record(level, event, message, fields))
    }
}

/// Connections that the kernel was still setting up when new ones were steered away from a worker. Each of them already
/// belongs to the worker's socket. The client's third packet may take a while to arrive, and if the socket is gone by
/// then, the kernel answers it with a reset.
///
/// sock_diag(7) shows these connections, but not to which socket of a port they belong, so all that there were at that
/// moment are waited for, including those of other workers. Connections that the kernel does not keep (SYN cookies)
/// can't be seen.
struct Handshakes {
    /// How long to wait. A client that has not completed its connection by then is gone or keeps losing packets: the
    /// kernel repeats a lost answer after one and after three seconds.
    static let patience = Duration.seconds(4)
    /// A look costs the kernel a walk through its table of connections.
    private static let interval = Duration.milliseconds(50)
    /// More at once are a flood, in which single connections can't be followed.
    private static let peersMax = 4096

    private enum Known {
        case peers(Set<UInt64>)
        case tooMany
    }

    /// The connections that are waited for, by port. A port without any has no entry.
    private var underWay: [UInt16: Known] = [:]
    private let givenUpAt: Instant
    private var nextLook: Instant

    /// Notes the connections that are being set up now.
    init(to ports: Set<UInt16>, at now: Instant) {
        givenUpAt = now + Self.patience
        nextLook = now + Self.interval
        for port in ports { underWay[port] = Self.underWay(to: port) }
    }

    /// Whether each of them has been set up, and so is counted as a connection, or has been given up.
    mutating func areOver(at now: Instant) -> Bool {
        if now >= givenUpAt { underWay.removeAll() }
        guard !underWay.isEmpty, now >= nextLook else { return underWay.isEmpty }
        nextLook = now + Self.interval
        for case (let port, .peers(let before)) in underWay {
            switch Self.underWay(to: port) {
            case .peers(let peers)?:
                let left = before.intersection(peers)
                underWay[port] = left.isEmpty ? nil : .peers(left)
            case .tooMany?: break
            case nil: underWay[port] = nil
            }
        }
        return underWay.isEmpty
    }

    /// The connections to a port that are being set up now; nil if there are none, or if the kernel does not tell, as
    /// in containers that may not ask.
    private static func underWay(to port: UInt16) -> Known? {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: peersMax) { peers in
            let count = rl_handshakes(port, peers.baseAddress, peers.count)
            if count < 0 { return errno == EOVERFLOW ? .tooMany : nil }
            return count == 0 ? nil : .peers(Set(peers[..<count]))
        }
    }
}
