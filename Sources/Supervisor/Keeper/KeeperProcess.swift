// The keeper: a small process beside the daemon that holds copies of the daemon's descriptors, and the rows that say
// what they are. It does nothing while there is a daemon. When the daemon dies, it holds everything until another
// daemon takes over; or ends the workers, if they are to end with the daemon. It ends when no worker is left, or when
// the daemon says that nothing is to be kept.
internal import CLinux
internal import Glibc
internal import Reloader

/// The command by which the daemon starts its keeper. People have no use for it.
public enum KeeperCommand {
    static let argument = "--keep-for-daemon"
    /// Where the keeper finds its socket to the daemon, and the one by which another daemon can take over, if that is
    /// possible.
    static let channelNumber: Int32 = 3
    static let listenerNumber: Int32 = 4

    /// Whether this process is to be a keeper.
    public static var isAsked: Bool {
        guard CommandLine.argc > 1, let word = CommandLine.unsafeArgv[1] else { return false }
        return strcmp(word, argument) == 0
    }

    /// Runs the keeper until it ends, and returns its exit status.
    public static func run() -> Int32 {
        do throws(SystemError) {
            // It lives in a session of its own, and whoever stops all processes of a service means the workers: when
            // they have ended, it ends.
            for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU] {
                Glibc.signal(signal, SIG_IGN)
            }
            try checked("prctl", "PR_SET_NAME") { rl_name_process("reloaderd-keep") }
            guard let daemon = try socket(channelNumber) else {
                throw SystemError(call: "getsockopt", errno: EBADF, subject: "descriptor \(channelNumber)")
            }
            return try KeeperProcess(daemon: daemon, listener: try socket(listenerNumber)).run()
        } catch {
            let line = "reloaderd: the keeper of a daemon's descriptors ends: \(error)\n"
            _ = line.withCString { write(2, $0, strlen($0)) }
            return 1
        }
    }

    /// nil: the descriptor is not open.
    private static func socket(_ number: Int32) throws(SystemError) -> FileDescriptor? {
        if fcntl(number, F_SETFD, FD_CLOEXEC) != 0 { return nil }
        var type: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        try checked("getsockopt", "descriptor \(number)") { getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &size) }
        guard type == SOCK_SEQPACKET.rawValue else {
            throw SystemError(call: "getsockopt", errno: EPROTOTYPE, subject: "descriptor \(number)")
        }
        return FileDescriptor(owning: number)
    }
}

final class KeeperProcess {
    /// A socket to a daemon.
    private final class Connection {
        let socket: FileDescriptor
        var token: Poller.Token?

        init(_ socket: consuming FileDescriptor) { self.socket = socket }
    }

    /// A daemon that takes over, while it is sent what is kept.
    private struct Handover {
        let connection: Connection
        var isGreeted = false
        var keys: [String]
        let rowsCount: Int
        var current: RowSending?
    }

    private enum Phase {
        case served(by: Connection)
        /// Since the daemon has died, on the monotonic clock.
        case alone(since: Instant)
        case handingOver(Handover, aloneSince: Instant)
        /// The workers are being ended.
        case ending
        case done(Int32)
    }

    private enum Source {
        case daemon
        case listener
        case successor
        case process(Int32)
        case killTime
    }

    private var poller: Poller
    private var sources: [Poller.Token: Source] = [:]
    /// nil: no other daemon can take over.
    private let listener: Channel?
    private var timer: DeadlineTimer
    private var rows = KeptRows()
    private var assembly = RowAssembly()
    private var phase: Phase
    private var terms = KeeperTerms(endsWorkers: false, stopSignal: UInt8(SIGTERM), stopTimeoutMilliseconds: 30000)
    /// The pidfds that are watched, while there is no daemon.
    private var processes: [Int32: Poller.Token] = [:]
    /// Daemons that wait until the one before them is dead, or until the workers have ended.
    private var waiting: [Connection] = []
    private static let waitingMax = 16
    private let buffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: KeeperLimits.packetBytesMax, alignment: 16)

    init(daemon: consuming FileDescriptor, listener: consuming FileDescriptor?) throws(SystemError) {
        poller = try Poller()
        timer = try DeadlineTimer()
        self.listener = Channel(listener)
        let connection = Connection(daemon)
        phase = .served(by: connection)
        if let listener = self.listener { sources[try poller.add(listener.number, .readable)] = .listener }
        sources[try poller.add(timer.channel.number, .readable)] = .killTime
        try watch(connection, .daemon, .readable)
    }

    deinit { buffer.deallocate() }

    func run() throws(SystemError) -> Int32 {
        var batch: [Poller.Token] = []
        while true {
            if case .done(let status) = phase { return status }
            _ = try poller.wait(into: &batch, blocking: true)
            for token in batch {
                if let source = sources[token] { try answer(source) }
            }
        }
    }

    private func answer(_ source: Source) throws(SystemError) {
        switch source {
        case .daemon: try hear()
        case .listener: try accept()
        case .successor: try sendOn()
        case .process(let number): try processHasEnded(number)
        case .killTime: try killAll()
        }
    }

    // MARK: the daemon

    private func hear() throws(SystemError) {
        guard case .served(let connection) = phase else { return }
        do throws(StateError) {
            read: while true {
                switch try ReceivedPacket.receive(from: connection.socket.number, buffer) {
                case .packet(let packet):
                    if try take(packet) { return phase = .done(0) }
                case .nothing: return
                case .end: break read
                }
            }
        } catch {
            // The daemon may be alive: nothing may be done in its place, and it starts another keeper.
            _ = try? sendPacket(.complaint("\(error)"), to: connection.socket.number)
            return phase = .done(1)
        }
        try daemonIsGone(connection)
    }

    /// Returns true if the daemon says goodbye.
    private func take(_ packet: ReceivedPacket) throws(StateError) -> Bool {
        switch packet.message {
        case .put(let piece):
            if let complete = try assembly.add(piece, packet.descriptors) { try rows.put(complete) }
        case .remove(let key): try rows.remove(key)
        case .commit: try rows.commit()
        case .terms(let terms): self.terms = terms
        case .goodbye: return true
        case .hello, .all, .isEnding, .complaint: throw .malformed("an answer without a question")
        }
        return false
    }

    private func daemonIsGone(_ connection: Connection) throws(SystemError) {
        try unwatch(connection)
        assembly = RowAssembly()
        rows.forgetChanges()
        phase = .alone(since: MonotonicClock.now())
        for process in rows.processes where processes[process.pidfd] == nil {
            let token = try poller.add(process.pidfd, .readable)
            sources[token] = .process(process.pidfd)
            processes[process.pidfd] = token
        }
        if processes.isEmpty { return phase = .done(0) }
        if terms.endsWorkers { return try endAll() }
        if case .alone(let since) = phase, !waiting.isEmpty {
            try beginHandover(to: waiting.removeFirst(), aloneSince: since)
        }
    }

    // MARK: the workers, while there is no daemon

    private func processHasEnded(_ number: Int32) throws(SystemError) {
        guard let token = processes.removeValue(forKey: number) else { return }
        sources[token] = nil
        try poller.remove(number)
        if !processes.isEmpty { return }
        switch phase {
        case .alone, .ending: phase = .done(0)
        // The daemon that takes over will see it.
        case .served, .handingOver, .done: break
        }
    }

    private func endAll() throws(SystemError) {
        phase = .ending
        for connection in waiting { try tell(.isEnding, connection) }
        for process in rows.processes {
            _ = rl_signal_group(process.pidfd, process.pid, Int32(terms.stopSignal))
            _ = rl_signal_group(process.pidfd, process.pid, SIGCONT)
        }
        let timeout = min(terms.stopTimeoutMilliseconds, UInt64(365 * 86400) * 1000)
        try timer.arm(MonotonicClock.now() + .milliseconds(Int64(timeout)))
    }

    private func killAll() throws(SystemError) {
        try timer.acknowledge()
        for process in rows.processes { _ = rl_kill_with_group(process.pidfd, process.pid) }
    }

    // MARK: another daemon

    private func accept() throws(SystemError) {
        guard let number = listener?.number else { return }
        let accepted: Int32?
        do throws(SystemError) { accepted = try checkedUnlessWouldBlock("accept", "") { rl_accept(number) } } catch {
            // The one that asked is gone, or there is no room for it now.
            if error.errno == ECONNABORTED || error.isShortage { return }
            throw error
        }
        guard let accepted else { return }
        let connection = Connection(FileDescriptor(owning: accepted))
        var peer = rl_peer()
        guard rl_peer_credentials(accepted, &peer) == 0, peer.uid == geteuid() else { return }
        switch phase {
        case .alone(let since): try beginHandover(to: connection, aloneSince: since)
        // Most likely the daemon is just dying. The one that asks knows how long it wants to wait.
        case .served, .handingOver: keepWaiting(connection)
        case .ending, .done:
            try tell(.isEnding, connection)
            // It is closed when the last worker has ended, which is what the daemon at its other end waits for.
            keepWaiting(connection)
        }
    }

    private func keepWaiting(_ connection: Connection) {
        waiting.append(connection)
        if waiting.count > Self.waitingMax { waiting.removeFirst() }
    }

    private func beginHandover(to connection: Connection, aloneSince since: Instant) throws(SystemError) {
        try unwatchProcesses()
        phase = .handingOver(
            Handover(connection: connection, keys: rows.keys, rowsCount: rows.count), aloneSince: since)
        try watch(connection, .successor, .writable)
    }

    private func tell(_ message: KeeperMessage, _ connection: Connection) throws(SystemError) {
        do throws(SystemError) { _ = try sendPacket(message, to: connection.socket.number) } catch {
            if error.errno != EPIPE && error.errno != ECONNRESET { throw error }
        }
    }

    private func sendOn() throws(SystemError) {
        guard case .handingOver(var handover, let since) = phase else { return }
        let isSent: Bool
        do throws(SystemError) { isSent = try send(&handover, aloneSince: since) } catch {
            guard error.errno == EPIPE || error.errno == ECONNRESET else { throw error }
            // It has died as well.
            return try daemonIsGone(handover.connection)
        }
        guard isSent else { return phase = .handingOver(handover, aloneSince: since) }
        phase = .served(by: handover.connection)
        try unwatch(handover.connection)
        try watch(handover.connection, .daemon, .readable)
    }

    /// Sends what there is room for. Returns true if all is sent.
    private func send(_ handover: inout Handover, aloneSince: Instant) throws(SystemError) -> Bool {
        let socket = handover.connection.socket.number
        if !handover.isGreeted {
            guard try sendPacket(.hello(version: KeeperLimits.version, pid: getpid()), to: socket) else { return false }
            handover.isGreeted = true
        }
        while true {
            if var current = handover.current {
                let isSent = try current.send(to: socket)
                handover.current = isSent ? nil : current
                if !isSent { return false }
            }
            guard let key = handover.keys.last else { break }
            handover.keys.removeLast()
            handover.current = rows.sending(key)
        }
        let alone = MonotonicClock.now() - aloneSince
        return try sendPacket(
            .all(rows: UInt64(handover.rowsCount), aloneForNanoseconds: UInt64(max(0, alone.nanoseconds))), to: socket)
    }

    // MARK: watching

    private func watch(
        _ connection: Connection, _ source: Source, _ interest: Poller.Interest
    ) throws(SystemError) {
        let token = try poller.add(connection.socket.number, interest)
        connection.token = token
        sources[token] = source
    }

    private func unwatch(_ connection: Connection) throws(SystemError) {
        guard let token = connection.token else { return }
        sources[token] = nil
        connection.token = nil
        try poller.remove(connection.socket.number)
    }

    private func unwatchProcesses() throws(SystemError) {
        for (number, token) in processes {
            sources[token] = nil
            try poller.remove(number)
        }
        processes = [:]
    }
}
