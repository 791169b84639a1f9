// How a worker is emptied: its connections are watched until none is left; those that are proven idle are closed as if
// their clients had. What idle means is decided by `EmptyingTerms` of the core.
internal import CLinux
internal import Glibc
internal import Reloader

/// One worker that is emptied. Looked at again and again until it is done; see `Emptyings`.
final class Emptying {
    /// How long all must be empty: a connection that the kernel had begun to set up when it was steered away may still
    /// come.
    static let settle = Duration.milliseconds(200)

    /// A look at ten thousand connections takes its time: the daemon spends at most a tenth of its own on one worker.
    private static let costFactor = 10
    private static let tellingInterval = Duration.seconds(5)
    /// So many of the connections that hold a worker are named.
    static let holdersShown = 8

    /// One connection, from the look that found it to the one that does not any more.
    private struct Watched {
        let peer: String
        let since: Instant
        var history = ConnectionHistory()
        var reason = BusyReason.toldToEnd
        var isClosedForReading = false
        /// The number of the last look that saw it.
        var look = 0
    }

    /// A connection that is not closed yet, and why.
    struct Holder {
        let peer: String
        /// How long it has been known, at most as long as the worker is emptied.
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
    /// Not all could be looked at in the last look: what was not seen may be there.
    private(set) var isBlind = false
    private var emptySince: Instant?
    /// Sockets that are not the worker's, or not of its ports.
    private var others: Set<UInt64> = []
    /// By inode: a connection may be open in several processes.
    private var watched: [UInt64: Watched] = [:]
    private var look = 0
    private(set) var nextLook: Instant
    private var lastToldAt: Instant
    private(set) var waiting = 0

    /// - Parameters:
    ///   - takesConnections: else only the queues are waited for, and the worker sees its connections off itself.
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

    /// Connections that are left.
    var connections: Int { watched.count }

    /// Those that are left, the oldest first, at most so many.
    func holders(atMost count: Int, at now: Instant) -> [Holder] {
        watched.sorted { ($0.value.since, $0.key) < ($1.value.since, $1.key) }.prefix(count).map {
            Holder(peer: $0.value.peer, age: now - $0.value.since, reason: $0.value.reason)
        }
    }

    private func terms(at now: Instant, isReplaced: Bool) -> EmptyingTerms {
        EmptyingTerms(age: now - startedAt, limit: limit, shortestIdle: shortestIdle, isReplaced: isReplaced)
    }

    /// How long to wait before the next look: often at first, so that one question comes between two looks, and a good
    /// moment is not missed; seldom when clients take their time.
    private func pause(at now: Instant) -> Duration {
        if terms(at: now, isReplaced: true).isLastCall { return .milliseconds(10) }
        return switch now - startedAt {
        case ..<Duration.seconds(10): .milliseconds(10)
        case ..<Duration.seconds(60): .milliseconds(50)
        default: .milliseconds(250)
        }
    }

    /// True once in each while, if it takes long.
    func isWorthTelling(at now: Instant) -> Bool {
        guard now - lastToldAt >= Self.tellingInterval else { return false }
        lastToldAt = now
        return true
    }

    /// Looks once; true when nothing is left.
    ///
    /// - Parameter isReplaced: other workers serve on, so that nobody waits for the end of this one.
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
            isBlind = isBlind || errno != ESRCH  // it has just ended
            return
        }
        let pidfd = FileDescriptor(owning: number)
        for (descriptor, inode) in candidates where watched[inode]?.look != look {
            let copy = rl_take_descriptor(pidfd.number, descriptor)
            if copy < 0 {
                isBlind = isBlind || (errno != EBADF && errno != ESRCH)  // closed a moment ago
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
            // Once more, as late as can be: what comes from now on comes to a server that closes.
            guard rl_tcp_state(socket.number, &state) == 0, state.bytes_received == facts.bytesReceived,
                state.bytes_sent == facts.bytesSent
            else { return }
            connection.isClosedForReading = true
            connection.reason = .toldToEnd
            // It fails where the client has just reset the connection.
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
        } catch { return "unknown" }  // it has just been reset
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
        case .unanswered(let time): "a request that was not answered, for \(Self.seconds(time))"
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
