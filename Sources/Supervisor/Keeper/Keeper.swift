// The daemon's side of its keeper: starts it, feeds it with the rows that have changed, and starts another if it is
// lost.
internal import CLinux
internal import Glibc
internal import Reloader

/// A keeper that runs, or is being started.
final class KeeperConnection {
    let channel: Channel
    let pid: Int32
    /// Its pidfd.
    let process: Channel
    /// nil: it runs its program.
    fileprivate var start: ProcessStart?

    init(channel: Channel, pid: Int32, process: Channel) {
        self.channel = channel
        self.pid = pid
        self.process = process
    }

    fileprivate init(channel: Channel, _ start: ProcessStart) {
        self.channel = channel
        pid = start.pid
        process = start.exit
        self.start = start
    }
}

final class Keeper {
    /// A keeper that is lost so often in `lossTime` is not started again until the next reload: something is against
    /// it.
    private static let lossesMax = 5
    private static let lossTime = Duration.seconds(60)

    /// What it takes is there within microseconds. One that takes nothing for so long hangs in the kernel.
    private static let patience = Duration.seconds(5)

    private let loop: Loop
    private let story: Story
    /// The daemon's name, as people see it in a list of processes.
    private let name: String
    /// Where the socket is by which the next daemon takes over; nil: none can.
    private let path: String?
    /// nil: there is no keeper.
    private var connection: KeeperConnection?
    private var terms: KeeperTerms
    /// What the keeper has of each row.
    private var kept: [String: Trace] = [:]
    /// The row that is sent in part.
    private var pending: Pending?
    /// The socket is full; since when, on the monotonic clock.
    private var fullSince: Instant?
    private var losses: [Instant] = []
    private var startsCount = 0

    /// By which a row is recognised: its bytes need not be kept for that.
    private struct Trace: Equatable {
        let hash: Int
        let descriptors: [Int32]

        init(_ row: StateRow) {
            var hasher = Hasher()
            hasher.combine(row.bytes)
            hash = hasher.finalize()
            descriptors = row.descriptors
        }
    }

    /// Owns the descriptors that it has not sent yet.
    private final class Pending {
        var sending: RowSending
        private let descriptors: [Channel]

        init(_ sending: RowSending) throws(SystemError) {
            var sending = sending
            descriptors = try sending.duplicateDescriptors()
            self.sending = sending
        }
    }

    /// - Parameters:
    ///   - path: must be in a directory that exists.
    ///   - taken: the keeper that a dead daemon has left; nil: `start` starts one.
    init(
        name: String, path: String?, _ terms: KeeperTerms, taken: KeeperConnection?, _ loop: Loop, _ story: Story
    ) {
        self.name = name
        self.path = path
        self.terms = terms
        self.loop = loop
        self.story = story
        connection = taken
    }

    // MARK: for the program that comes next

    static let key = "keeper"

    private struct State: Codable {
        let channel: RowDescriptors.Place?
        let process: RowDescriptors.Place?
        let pid: Int32?
    }

    func row() throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let state = State(
            channel: descriptors.add(connection?.channel.number), process: descriptors.add(connection?.process.number),
            pid: connection?.pid)
        return try StateRow(Self.key, state, descriptors)
    }

    static func rowOfNone() throws(StateError) -> StateRow {
        try StateRow(key, State(channel: nil, process: nil, pid: nil))
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try rows.value(State.self, key) }

    /// The keeper of the program before this one; nil: it had none.
    static func connection(_ rows: StateRows) throws(StateError) -> KeeperConnection? {
        let state = try rows.value(State.self, key)
        guard let channel = state.channel, let process = state.process, let pid = state.pid else { return nil }
        let upper = FileDescriptor.upperNumbers
        return KeeperConnection(
            channel: Channel(try rows.descriptor(channel, of: key, from: upper)), pid: pid,
            process: Channel(try rows.descriptor(process, of: key, from: upper)))
    }

    // MARK: its life

    private var channel: Channel? { connection?.channel }

    /// nil: there is no keeper.
    var pid: Int32? { connection?.pid }

    /// A number that is another one whenever the keeper is another one, which has nothing yet; nil: there is none.
    var number: Int? { channel == nil ? nil : startsCount }

    /// Whether rows can be put.
    var hasRoom: Bool { channel != nil && fullSince == nil }

    /// It is being started, or has got a part of what is sent: nobody else could go on with it now.
    var isBusy: Bool { connection?.start != nil || fullSince != nil }

    /// Starts the keeper, or goes on with the one that was taken over. A daemon without one goes on all the same.
    func start() {
        do throws(SystemError) {
            if connection == nil { try startProcess() }
            startsCount += 1
            if let channel { try loop.watch(channel, .keeper) }
            try sendTerms()
        } catch {
            drop()
            tellMissing("\(error)")
        }
    }

    /// Tries again what has failed too often, and sends `terms` if they have changed.
    func renew(_ terms: KeeperTerms) {
        let isNew = terms != self.terms
        self.terms = terms
        if channel == nil {
            losses = []
            start()
        } else if isNew {
            do throws(SystemError) { try sendTerms() } catch { tell(error) }
        }
    }

    private func sendTerms() throws(SystemError) {
        guard let channel else { return }
        if try !sendPacket(.terms(terms), to: channel.number) {
            // The rows that wait are more than a second's worth: it hangs.
            throw SystemError(call: "sendmsg", errno: EAGAIN, subject: "the keeper's socket")
        }
    }

    private func startProcess() throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        try checked("socketpair", "AF_UNIX") { socketpair(AF_UNIX, type, 0, &ends) }
        let ours = FileDescriptor(owning: ends[0])
        let theirs = HandedDescriptor(FileDescriptor(owning: ends[1]))
        let listener = try Self.openSocket(path)
        let null = HandedDescriptor(
            FileDescriptor(owning: try checked("open", "/dev/null") { open("/dev/null", O_RDWR | O_CLOEXEC) }))
        // It must not hold on to a file system.
        let root = HandedDescriptor(
            FileDescriptor(owning: try checked("open", "/") { open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }))
        let handed = [null, root, theirs] + (listener.map { [$0] } ?? [])
        let arguments = CStrings(["reloaderd: keeper of \(name)", KeeperCommand.argument].map { Array($0.utf8) })
        defer { withExtendedLifetime(arguments) {} }
        var request = rl_spawn_request()
        request.executable = -1
        request.directory = root.number
        request.mask = -1
        request.cpu = -1
        let start: ProcessStart
        do throws(StartFailure) {
            start = try ProcessStart(
                request, path: "/proc/self/exe", arguments: arguments.pointers + [nil], environment: [nil],
                descriptors: [null, null, null, theirs].map { $0.number } + (listener.map { [$0.number] } ?? []),
                limits: [], handed: handed)
        } catch { throw error.error }
        connection = KeeperConnection(channel: Channel(ours.moved()), start)
        try loop.watch(start.channel, .keeper)
    }

    private static func openSocket(_ path: String?) throws(SystemError) -> HandedDescriptor? {
        guard let path else { return nil }
        // A daemon that takes over must be able to write the path into its sockaddr_un.
        _ = try SocketAddress(unix: path)
        let workshop = try SocketWorkshop(beside: path)
        defer { workshop.remove() }
        let socket = try workshop.open(SOCK_SEQPACKET, group: nil, backlog: 8)
        try workshop.move(to: path)
        return HandedDescriptor(socket)
    }

    /// Whether this process is to become the keeper, and is none yet.
    func isBeingStarted(_ pid: Int32) -> Bool { connection?.start?.pid == pid }

    /// Something was heard of the keeper: it has begun or ended, or there is room again in its socket.
    func look() {
        guard let connection else { return }
        do throws(SystemError) {
            switch try connection.start?.look(loop) {
            case .executed?: connection.start = nil
            case .failed(let failure)?: return lose("\(failure.error)")
            case nil: break
            }
        } catch { return lose("\(error)") }
        goOn()
    }

    /// The keeper is readable: it ends, and may have said why.
    private func hear() {
        guard let channel else { return }
        var reason = "it has ended"
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: KeeperLimits.packetBytesMax, alignment: 16)
        defer { buffer.deallocate() }
        do throws(StateError) {
            read: while true {
                switch try ReceivedPacket.receive(from: channel.number, buffer) {
                case .packet(let packet):
                    if case .complaint(let words) = packet.message { reason = words }
                case .nothing: return
                case .end: break read
                }
            }
        } catch { reason = "\(error)" }
        lose(reason)
    }

    private func lose(_ reason: String) {
        drop()
        let now = MonotonicClock.now()
        losses.removeAll { now - $0 > Self.lossTime }
        losses.append(now)
        guard losses.count < Self.lossesMax else {
            return tellMissing("it was lost \(losses.count) times within \(LogFormatter.seconds(Self.lossTime))s")
        }
        story.tell(
            LogRecord(
                .warning, "keeper_lost",
                "the keeper of the daemon's descriptors is gone, and another one is started: \(reason)"))
        start()
    }

    /// A keeper that lost its daemon's end would take the daemon for dead: it has to end first.
    private func drop() {
        if let connection { _ = rl_signal(connection.process.number, SIGKILL) }
        forget()
    }

    private func forget() {
        if let channel {
            do throws(SystemError) { try loop.unwatch(channel) } catch { tell(error) }
        }
        if let start = connection?.start {
            do throws(SystemError) { try loop.unwatch(start.channel) } catch { tell(error) }
        }
        connection = nil
        fullSince = nil
        kept = [:]
        pending = nil
    }

    /// The daemon ends: nothing is to be kept.
    func end() {
        guard let channel else { return }
        do throws(SystemError) { _ = try sendPacket(.goodbye, to: channel.number) } catch { tell(error) }
        if let path { unlink(path) }
        forget()
    }

    private func tellMissing(_ reason: String) {
        story.tell(
            LogRecord(
                .warning, "keeper_unavailable",
                "there is no keeper of the daemon's descriptors (\(reason)): if the daemon is killed, none can take "
                    + "over its workers (the next reload tries again)"))
    }

    private func tell(_ error: SystemError) { story.tell(LogRecord(.error, "system_error", "\(error)")) }

    // MARK: rows

    /// Sends the row if the keeper has another one. Returns false if there is no room now: put it again when there is.
    func put(_ row: StateRow, process: KeptProcess? = nil) -> Bool {
        guard let channel, fullSince == nil else { return channel == nil }
        let trace = Trace(row)
        if kept[row.key] == trace { return true }
        do throws(SystemError) {
            var sending = RowSending(row, process: process)
            if try !sending.send(to: channel.number) {
                pending = try Pending(sending)
                try wait()
            }
            kept[row.key] = trace
        } catch { lose("\(error)") }
        return true
    }

    /// The keeper drops a row, if it has it. Returns false if there is no room now.
    func remove(_ key: String) -> Bool {
        guard let channel, kept[key] != nil else { return true }
        guard fullSince == nil else { return false }
        do throws(SystemError) {
            if try !sendPacket(.remove(key: key), to: channel.number) {
                try wait()
                return false
            }
            kept[key] = nil
        } catch { lose("\(error)") }
        return true
    }

    /// All that was put and removed counts from now on. Returns false if there is no room now.
    func commit() -> Bool {
        guard let channel, fullSince == nil else { return channel == nil }
        do throws(SystemError) {
            if try sendPacket(.commit, to: channel.number) { return true }
            try wait()
            return false
        } catch {
            lose("\(error)")
            return true
        }
    }

    /// The keys of the rows that the keeper has and that begin with `prefix`.
    func keys(_ prefix: String) -> [String] { kept.keys.filter { $0.hasPrefix(prefix) } }

    func has(_ key: String) -> Bool { kept[key] != nil }

    /// How many descriptors the keeper has of a row.
    func count(of key: String) -> Int { kept[key]?.descriptors.count ?? 0 }

    private func goOn() {
        guard let channel, fullSince != nil else { return hear() }
        do throws(SystemError) {
            if let pending {
                guard try pending.sending.send(to: channel.number) else { return }
                self.pending = nil
            }
            fullSince = nil
            try loop.rewatch(channel, .readable)
        } catch { lose("\(error)") }
    }

    /// When to look whether it hangs, on the monotonic clock; nil: it has taken all.
    var nextDeadline: Instant? { fullSince.map { $0 + Self.patience } }

    /// Replaces a keeper that takes nothing.
    func lookAtPatience() {
        guard let nextDeadline, nextDeadline <= MonotonicClock.now() else { return }
        lose("it takes nothing")
    }

    private func wait() throws(SystemError) {
        guard let channel else { return }
        fullSince = MonotonicClock.now()
        try loop.rewatch(channel, [.readable, .writable])
    }
}
