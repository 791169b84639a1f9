// The daemon's end of its helper: what is asked of it, what it has answered, and what it must know if another has to
// take its place.
//
// Whatever belongs to a worker may be arranged so that a touch of it never ends. So the daemon touches nothing of that
// kind: it asks the helper, a process of its own that may be lost. The requests wait in line here, and the helper has
// one at a time. If it does not come back from one, it is killed and not waited for; another is told all that the first
// one knew, and gets the request again. A worker that has made helpers stick twice is not touched any more.
//
// The daemon holds a descriptor of all that the helper holds, so that nothing is lost with it. It never closes the last
// one: the close may wait, too. What it lets go of it sends to the helper first (`close`).
internal import CLinux
internal import Glibc
internal import Reloader

final class Helper {
    /// What has become of a request.
    struct News {
        let request: HelperRequest
        let answer: HelperAnswer
        /// For a call: the descriptor over which it is answered.
        let calls: Channel?
    }

    private struct Pending {
        var request: HelperRequest
        var descriptors: [Channel] = []
        var calls: Channel?
        /// A helper is told it because it is new: nobody waits for the answer.
        var isRestoring = false
        /// How many helpers have ended over it.
        var ended = 0
    }

    private let loop: Loop
    private let story: Story
    private let name: String
    private let terms: HelperTerms
    /// Asked directly, where a process of its own may not reach workers.
    private let direct: Toucher?
    private var process: HelperProcess?
    /// Those that were killed and may never end.
    private var doomed: [HelperProcess] = []
    /// Those of the program before this one that have not ended.
    private var earlier: Set<Int32> = []
    /// Another child of the daemon that has the sockets of workers; nil: there is none.
    private var keeper: Int32?
    private var restarts = HelperRestarts()

    private var waiting: [Pending] = []
    private var asked: Pending?
    private var watch = HelperWatch()
    private var changes: [(BookChange, Channel?)] = []
    private var news: [News] = []

    // What another helper is told.
    private(set) var book = PortBook()
    /// The daemon's descriptors of the sockets in the book, by inode.
    private(set) var held: [UInt64: Channel] = [:]
    private var owners: [WorkerID: (owner: Owner, calls: Channel?)] = [:]
    private var emptyings: [WorkerID: (order: EmptyingOrder, listeners: [Channel])] = [:]
    private var serving: [WorkerID]?
    /// The last order that this helper has.
    private var steeredTo: [WorkerID]?
    private var refuses = false
    private var strikes: [WorkerID: Int] = [:]
    /// The row may be another one than when somebody asked.
    private var isChanged = false
    /// After so many a worker is not touched any more.
    private static let strikesMax = 2
    /// A request over which so many helpers have ended is not repeated.
    private static let endedMax = 3

    /// - Parameters:
    ///   - name: the daemon's.
    ///   - isDirect: a process of its own may not reach workers, and the daemon may.
    init(_ terms: HelperTerms, name: String, isDirect: Bool, _ loop: Loop, _ story: Story) {
        self.terms = terms
        self.name = name
        self.loop = loop
        self.story = story
        direct = isDirect ? Toucher(TouchMark(nil)) : nil
        _ = direct?.answer(.begin(terms), [])
    }

    // MARK: for the daemon that comes next

    static let key = "helper"

    private struct State: Codable {
        let book: PortBook
        let held: [UInt64: RowDescriptors.Place]
        let strikes: [WorkerID: Int]
        /// They end when this program does, unless they are stuck.
        let processes: Set<Int32>
    }

    /// Nothing is asked or answered. What is under way can't be told to another daemon.
    var isIdle: Bool { asked == nil && waiting.isEmpty && news.isEmpty && changes.isEmpty }

    func row() throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let state = State(
            book: book, held: held.mapValues { descriptors.add($0.number) }, strikes: strikes, processes: pids)
        return try StateRow(Self.key, state, descriptors)
    }

    /// Another helper begins with what this one knows. Call `adopt` of `Ports` for each worker.
    ///
    /// - Parameter hasDied: the daemon before this one has left the rows with its keeper.
    init(
        _ rows: StateRows, _ terms: HelperTerms, name: String, isDirect: Bool, hasDied: Bool, _ loop: Loop,
        _ story: Story
    ) throws(StateError) {
        let state = try rows.value(State.self, Self.key)
        self.terms = terms
        self.name = name
        self.loop = loop
        self.story = story
        direct = isDirect ? Toucher(TouchMark(nil)) : nil
        book = state.book
        strikes = state.strikes
        // Those of a daemon that has died end with it, and are no children of this one.
        earlier = hasDied ? [] : state.processes
        for (inode, place) in state.held {
            held[inode] = Channel(try rows.descriptor(place, of: Self.key, from: FileDescriptor.upperNumbers))
        }
        if hasDied { distrustGroups() }
        if let direct {
            for pending in restoring { _ = direct.answer(pending.request, pending.descriptors) }
        }
    }

    /// What the helper of a dead daemon did last may be in no row. Each socket that joins or leaves a group changes the
    /// set, and what does not change it does not change the order.
    private func distrustGroups() {
        var table: SocketTable?
        do throws(SystemError) { table = try SocketTable() } catch {}
        guard let table else { return }
        for (address, sockets) in book.listening where !address.isDatagram {
            // Members that are gone are noticed by the helper.
            let known = Set(sockets.map { $0.inode })
            let hasStrangers = table.all.contains {
                $0.listens && !known.contains($0.inode) && ListenAddress($0) == address.listenAddress
            }
            if hasStrangers { book.groups[address] = GroupRow(hasStrangers: true, isLost: true) }
        }
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try rows.value(State.self, key) }

    /// Whether the row may be another one than at the last call.
    func takeIsChanged() -> Bool {
        defer { isChanged = false }
        return isChanged
    }

    /// The helper must not take the keeper for a process of a worker.
    func know(keeper: Int32?) {
        if self.keeper == keeper { return }
        self.keeper = keeper
        ask(.know(helpers: helpers))
    }

    private var helpers: [Int32] { doomed.map { $0.pid } + earlier + [keeper].compactMap { $0 } }

    /// Watches the queues, after `init` with rows.
    func watchQueues() { for row in book.sockets.values { watchQueue(of: row) } }

    // MARK: asking

    /// Whether the worker was found to be out of reach for ever.
    func isBarred(_ worker: WorkerID) -> Bool { strikes[worker, default: 0] >= Self.strikesMax }

    /// The answer is among the `News`, unless there is nothing to say.
    ///
    /// - Parameters:
    ///   - descriptors: those that the request names. They are not closed before the helper has them.
    ///   - calls: for a call, the descriptor over which it is answered.
    func ask(_ request: HelperRequest, _ descriptors: [Channel] = [], calls: Channel? = nil) {
        remember(request, descriptors)
        let pending = Pending(request: request, descriptors: descriptors, calls: calls)
        if let direct {
            let answer = direct.answer(request, descriptors)
            for (change, channel) in direct.takeChanges() { take(change, channel.flatMap(duplicate)) }
            finish(pending, answer)
        } else if let worker = request.worker, isBarred(worker), request.isOptional {
            finish(pending, request.blindAnswer)
        } else {
            // Another helper is told what the daemon remembers.
            if process == nil && waiting.isEmpty && request.isRemembered { return }
            if case .steer(let workers) = request {
                // The helper steers new sockets by the last order.
                if process != nil && workers == steeredTo { return }
                steeredTo = workers
                if case .steer? = waiting.last?.request { waiting.removeLast() }
            }
            waiting.append(pending)
            pump()
        }
    }

    /// Asks, and waits for the answer as long as `settle` does.
    func askNow(_ request: HelperRequest) -> HelperAnswer? {
        let seen = news.count
        ask(request)
        settle()
        let place = news[min(seen, news.count)...].firstIndex { $0.request == request }
        guard let place else { return nil }
        return news.remove(at: place).answer
    }

    /// The text that the request asks for; nil if it can't be had in a moment.
    func text(_ request: HelperRequest) -> String? {
        if case .text(let text)? = askNow(request) { text } else { nil }
    }

    /// Waits until the helper has done all that was asked, if it does that in a moment: what the daemon says next is
    /// about it. A helper that is late already is not waited for.
    func settle() {
        let end = MonotonicClock.now() + Self.moment
        while let process, asked != nil, !watch.isLate(by: Self.moment) {
            let left = (end - MonotonicClock.now()).nanoseconds / 1_000_000
            if left <= 0 { return }
            var request = pollfd(fd: process.channel.channel.number, events: Int16(POLLIN), revents: 0)
            if poll(&request, 1, Int32(clamping: left)) == 0 { return }
            hear()
        }
    }

    /// Long for a helper, and short for a client of the daemon.
    private static let moment = Duration.milliseconds(200)

    private func remember(_ request: HelperRequest, _ descriptors: [Channel]) {
        switch request {
        case .adopt(let owner): owners[owner.id] = (owner, descriptors.first)
        case .forget(let id):
            owners[id] = nil
            emptyings[id] = nil
            if strikes.removeValue(forKey: id) != nil { isChanged = true }
        case .empty(let id, let order): emptyings[id] = (order, descriptors)
        case .endEmptying(let id): emptyings[id] = nil
        case .steer(let workers): serving = workers
        case .refuse: refuses = true
        default: break
        }
    }

    private func pump() {
        while asked == nil, !waiting.isEmpty {
            if process == nil && !start() { return }
            guard let process else { return }
            let next = waiting.removeFirst()
            do throws(SystemError) { try process.channel.send(next.request.bytes, next.descriptors) } catch {
                // It has just ended; or the message is too long for anybody.
                if error.errno == EMSGSIZE {
                    finish(next, next.request.blindAnswer)
                } else {
                    asked = next
                    replace(process, isBlamed: false, "its channel failed (\(error))")
                }
                continue
            }
            asked = next
            // What is to be closed is on its way, and stays open at the other end until `letGo` comes there.
            if case .close = next.request { asked?.descriptors = [] }
            watch.began(at: MonotonicClock.now())
        }
    }

    // MARK: hearing

    /// Takes what the helper has sent. Call it when the source `.helper` is ready.
    func hear() {
        while let process {
            do throws(SystemError) {
                switch try process.channel.receive() {
                case .nothing: return
                case .end: return replace(process, isBlamed: false, "it has ended")
                case .packet(let bytes, let descriptors):
                    // Nothing more can come before the next request.
                    if try hear(bytes, descriptors) { return }
                }
            } catch { return replace(process, isBlamed: false, "\(error)") }
        }
    }

    /// Returns true if that was the answer.
    private func hear(_ bytes: ArraySlice<UInt8>, _ descriptors: [Channel]) throws(SystemError) -> Bool {
        let packet: HelperPacket
        do throws(WireError) { packet = try HelperPacket(bytes: bytes) } catch {
            close(descriptors, .nobody)
            throw SystemError(call: "recvmsg", errno: EBADMSG, subject: "the helper")
        }
        switch packet {
        case .changes(let rows):
            keep(rows, descriptors)
            return false
        case .answer(let answer, let rows):
            keep(rows, descriptors)
            for (change, channel) in changes { take(change, channel) }
            changes.removeAll()
            restarts.succeeded()
            if let pending = asked {
                asked = nil
                finish(pending, answer)
            }
            pump()
            return true
        }
    }

    private func keep(_ rows: [BookChange], _ descriptors: [Channel]) {
        var left = descriptors[...]
        for row in rows {
            if case .socket(_, isNew: true) = row {
                changes.append((row, left.popFirst()))
            } else {
                changes.append((row, nil))
            }
        }
        close(Array(left), .nobody)
    }

    private func take(_ change: BookChange, _ channel: Channel?) {
        isChanged = true
        switch change {
        case .socket(let row, isNew: true): held[row.inode] = channel
        case .noSocket(let inode):
            let owner = book.sockets[inode]?.lastOwner
            letGo(inode, of: owner)
        default: break
        }
        book.take(change)
        if case .socket(let row, _) = change { watchQueue(of: row) }
    }

    /// Until a connection waits in it, and again after that was looked at.
    private func watchQueue(of row: SocketRow) {
        guard row.isListening, !row.address.isDatagram, let channel = held[row.inode], channel.token == nil else {
            return
        }
        do throws(SystemError) { try loop.watch(channel, .queue(row.inode), [.readable, .once]) } catch { tell(error) }
    }

    /// Call it when the queue that was not empty has been looked at.
    func watchQueueAgain(_ inode: UInt64) throws(SystemError) {
        if let channel = held[inode] { try loop.rewatch(channel, [.readable, .once]) }
    }

    private func letGo(_ inode: UInt64, of worker: WorkerID?) {
        guard let channel = held.removeValue(forKey: inode) else { return }
        do throws(SystemError) { try loop.unwatch(channel) } catch { tell(error) }
        close([channel], worker.map { .worker($0) } ?? .nobody)
    }

    private func finish(_ pending: Pending, _ answer: HelperAnswer) {
        if pending.isRestoring { return }
        switch (pending.request, answer) {
        case (.close(let subject), _): waiting.insert(Pending(request: .letGo(subject), descriptors: []), at: 0)
        case (.know, _), (.adopt, _), (.forget, _), (.empty, _), (.endEmptying, _), (.letGo, _), (.settle, _),
            (.gone, _):
            break
        default: news.append(News(request: pending.request, answer: answer, calls: pending.calls))
        }
    }

    /// The next answer; nil if there is none.
    func nextNews() -> News? { news.isEmpty ? nil : news.removeFirst() }

    /// Lets the helper close descriptors that may be the last of theirs.
    private func close(_ channels: [Channel], _ subject: TouchSubject) {
        if channels.isEmpty || direct != nil { return }
        if let last = waiting.last, last.request == .close(subject),
            last.descriptors.count + channels.count <= HelperPacket.descriptorsMax
        {
            waiting[waiting.count - 1].descriptors += channels
        } else {
            waiting.append(Pending(request: .close(subject), descriptors: channels))
        }
    }

    private func duplicate(_ channel: Channel) -> Channel? {
        do throws(SystemError) { return Channel(try channel.descriptor.duplicate()) } catch { return nil }
    }

    // MARK: time

    /// When to call `checkTime`; nil if nothing waits.
    var nextDeadline: Instant? {
        let times = [
            asked == nil ? nil : watch.nextLook, process == nil && !waiting.isEmpty ? restarts.nextTry : nil,
            isAsked(.discardOverdue) ? nil : book.nextDeadline,
        ]
        return times.compactMap { $0 }.min()
    }

    /// Looks whether the helper is stuck, and discards what nobody has taken over.
    func checkTime() {
        let now = MonotonicClock.now()
        if let overdue = book.nextDeadline, overdue <= now, !isAsked(.discardOverdue) { ask(.discardOverdue) }
        guard let process, asked != nil, watch.nextLook <= now else { return pump() }
        hear()
        guard self.process === process, asked != nil, watch.nextLook <= now else { return }
        guard let activity = process.activity(loop.buffer) else {
            return replace(process, isBlamed: false, "it has ended")
        }
        switch watch.judge(activity, at: now) {
        case .works: break
        case .isStopped: replace(process, isBlamed: false, "it was stopped")
        case .isStuck: replace(process, isBlamed: true, "it waits for what never comes")
        }
    }

    private func isAsked(_ request: HelperRequest) -> Bool {
        asked?.request == request || waiting.contains { $0.request == request }
    }

    // MARK: starting and replacing

    private func start() -> Bool {
        if let next = restarts.nextTry, next > MonotonicClock.now() { return false }
        do throws(SystemError) {
            let process = try HelperProcess(name: name)
            do throws(SystemError) {
                try loop.watch(process.start.channel, .helperStart(process))
                try loop.watch(process.channel.channel, .helper)
            } catch {
                process.kill()
                doomed.append(process)
                throw error
            }
            self.process = process
            steeredTo = serving
            waiting.insert(contentsOf: restoring, at: 0)
            return true
        } catch {
            if restarts.failed(at: MonotonicClock.now()) {
                story.tell(
                    LogRecord(
                        .error, "helper_failed",
                        "cannot start the process that shares ports (\(error)): workers that bind or listen wait until "
                            + "it can be started"))
            }
            return false
        }
    }

    /// What a new helper has to know.
    private var restoring: [Pending] {
        var terms = terms
        terms.helpers = helpers
        var requests: [(HelperRequest, [Channel])] = [(.begin(terms), [])]
        requests += HelperPacket.restoring(
            book.rows.map { row in
                guard case .socket(let socket, _) = row else { return (row, nil) }
                return (row, held[socket.inode])
            }.filter { row in
                // A socket without a descriptor is a stranger to the next helper.
                if case .socket(let socket, _) = row.change { held[socket.inode] != nil } else { true }
            })
        requests += owners.values.map { (.adopt($0.owner), [$0.calls].compactMap { $0 }) }
        requests += strikes.keys.filter { isBarred($0) }.map { (.bar($0), []) }
        requests += emptyings.map { (.empty($0.key, $0.value.order), $0.value.listeners) }
        if let serving { requests.append((.steer(serving), [])) }
        if refuses { requests.append((.refuse, [])) }
        return requests.map { Pending(request: $0.0, descriptors: $0.1, isRestoring: true) }
    }

    /// Another helper takes its place when there is something to do.
    private func replace(_ process: HelperProcess, isBlamed: Bool, _ reason: String) {
        let subject = process.subject
        self.process = nil
        do throws(SystemError) {
            try loop.unwatch(process.channel.channel)
            try loop.unwatch(process.start.channel)
        } catch { tell(error) }
        process.kill()
        doomed.append(process)
        waiting.removeAll { $0.isRestoring }
        // Descriptors on their way to us, which nobody will ask for.
        let lost = changes.compactMap { $0.1 }
        changes.removeAll()
        tellReplaced(process, subject, isBlamed: isBlamed, reason)
        if let pending = asked {
            asked = nil
            repeatOrGiveUp(pending, subject, isBlamed: isBlamed)
        }
        close(lost + [process.channel.channel], .nobody)
        if !isBlamed { _ = restarts.failed(at: MonotonicClock.now()) }
        pump()
    }

    private func repeatOrGiveUp(_ pending: Pending, _ subject: TouchSubject, isBlamed: Bool) {
        var pending = pending
        pending.ended += 1
        if isBlamed, case .worker(let id) = subject, owners[id] != nil || strikes[id] != nil {
            strikes[id, default: 0] += 1
            isChanged = true
            if strikes[id] == Self.strikesMax {
                news.append(News(request: .bar(id), answer: .done, calls: nil))
            }
            if strikes[id, default: 0] > Self.strikesMax { abandon(id) }
        }
        if pending.isRestoring { return }
        let isHopeless = pending.request.worker.map(isBarred) ?? false || pending.ended >= Self.endedMax
        if isHopeless || pending.request.isLostWithItsHelper {
            if case .gone(let id, _) = pending.request { abandon(id) }
            return finish(pending, pending.request.blindAnswer)
        }
        if case .call(let id, let call, var terms) = pending.request {
            terms.isRepeated = true
            pending.request = .call(id, call, terms)
        }
        waiting.insert(pending, at: 0)
    }

    /// Nobody looks at the worker's sockets any more, so that their groups can't be steered.
    private func abandon(_ id: WorkerID) {
        isChanged = true
        for row in book.sockets.values where row.lastOwner == id {
            letGo(row.inode, of: id)
            book.sockets[row.inode] = nil
            book.groups[row.address] = GroupRow(hasStrangers: true, isLost: true)
        }
    }

    private func tellReplaced(_ process: HelperProcess, _ subject: TouchSubject, isBlamed: Bool, _ reason: String) {
        var fields: [(key: String, value: LogRecord.Value)] = [("helper", .number(Int(process.pid)))]
        var whose = ""
        switch subject {
        case .worker(let id) where isBlamed:
            if let owner = owners[id]?.owner {
                fields += [("slot", .number(owner.slot)), ("pid", .number(Int(owner.pid)))]
                whose = " of the worker of slot \(owner.slot)"
            }
        case .process(let pid) where isBlamed: whose = " of process \(pid)"
        default: break
        }
        story.tell(
            LogRecord(
                .warning, "helper_replaced",
                "another process takes over from the one that looks at what belongs to workers: \(reason)\(whose)",
                fields))
    }

    private func tell(_ error: SystemError) { story.tell(LogRecord(.error, "system_error", "\(error)")) }

    // MARK: the processes

    /// Children of the daemon that are no workers.
    var pids: Set<Int32> { earlier.union(doomed.map { $0.pid } + [process?.pid].compactMap { $0 }) }

    /// There is news of a helper that is being started.
    func lookAtStart(of process: HelperProcess) throws(SystemError) {
        guard case .failed(let failure)? = try process.start.look(loop) else { return }
        if self.process === process { replace(process, isBlamed: false, "it did not start (\(failure.error))") }
        // It is reaped.
        doomed.removeAll { $0 === process }
    }

    /// Reaps the helper with this PID; returns false if there is none.
    func reap(_ pid: Int32) throws(SystemError) -> Bool {
        if let process, process.pid == pid {
            // What it has sent before its end counts.
            hear()
            if self.process === process { replace(process, isBlamed: false, "it has ended") }
        }
        if earlier.remove(pid) != nil { return false }
        guard let place = doomed.firstIndex(where: { $0.pid == pid }) else { return false }
        if try doomed[place].reap() { doomed.remove(at: place) }
        return true
    }

    /// Call it at the daemon's end. What the helper holds is closed with it.
    func end() { process?.kill() }
}

extension HelperRequest {
    /// The worker that it is about.
    var worker: WorkerID? {
        switch self {
        case .bar(let id), .call(let id, _, _), .countPorts(let id), .settle(let id), .gone(let id, _), .forget(let id),
            .empty(let id, _), .look(let id, _), .endEmptying(let id):
            id
        case .adopt(let owner): owner.id
        default: nil
        }
    }

    /// It looks at the worker, and can be answered without that.
    fileprivate var isOptional: Bool {
        switch self {
        case .call, .countPorts, .settle, .look: true
        default: false
        }
    }

    /// The daemon remembers what it says, for another helper.
    fileprivate var isRemembered: Bool {
        switch self {
        case .know, .adopt, .forget, .empty, .endEmptying, .steer, .refuse: true
        default: false
        }
    }

    /// Not repeated: it is done, or was a look that need not be.
    fileprivate var isLostWithItsHelper: Bool {
        switch self {
        case .close, .letGo, .measure, .variable, .command: true
        default: false
        }
    }
}
