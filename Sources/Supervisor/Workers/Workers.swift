// The workers: those that run, and those that have ended and left processes behind. Each worker is watched from its
// start on, heard, signalled only by its pidfd, and reaped once all that it has left behind is known.
internal import CLinux
internal import Glibc
internal import Reloader

final class Workers {
    /// How many datagrams are read from one worker in a turn of the loop.
    private static let turnDatagrams = 16

    private let loop: Loop
    private let story: Story
    private let orphans: Orphans
    private var byID: [WorkerID: WorkerProcess] = [:]
    /// The workers that have not ended, by PID.
    private var running: [Int32: WorkerProcess] = [:]
    private var outOfMemoryKills = OutOfMemoryKills()
    private(set) var failures = SlotFailures()
    /// Slots that have, or had, a worker.
    private var slotsUsed: Set<Int> = []
    private var watchedLeftovers: [ProcessIdentity: Channel] = [:]
    /// Workers whose rows may have changed since somebody asked.
    private var changed: Set<WorkerID> = []

    /// Create it before anything is started.
    init(_ loop: Loop, _ story: Story) {
        self.loop = loop
        self.story = story
        orphans = Orphans(loop.buffer, story)
    }

    // MARK: for the daemon that comes next

    static let key = "workers"

    private struct State: Codable {
        let orphans: Orphans.State
        let outOfMemoryKills: OutOfMemoryKills
        let failures: SlotFailures
        let slotsUsed: Set<Int>
    }

    func row() throws(StateError) -> StateRow {
        try StateRow(
            Self.key,
            State(
                orphans: orphans.state, outOfMemoryKills: outOfMemoryKills, failures: failures, slotsUsed: slotsUsed))
    }

    /// The rows of one worker.
    func rows(of worker: WorkerProcess, _ notifySockets: NotifyDirectory) throws(StateError) -> [StateRow] {
        try worker.rows(hasEnded: running[worker.pid] !== worker, notifySockets)
    }

    init(
        _ rows: StateRows, _ releases: Releases, _ notifySockets: NotifyDirectory, _ output: Output, _ loop: Loop,
        _ story: Story
    ) throws(StateError) {
        let state = try rows.value(State.self, Self.key)
        var generations: [Int: Generation] = [:]
        for key in rows.keys(WorkerProcess.key("")) {
            let state = try rows.value(WorkerProcess.State.self, key)
            // Workers of one generation share it, even if the core has let go of it.
            let number = state.generation
            let known = releases[number] ?? generations[number]
            let generation: Generation
            if let known { generation = known } else { generation = try Generation(rows, number) }
            generations[number] = generation
            let worker = try WorkerProcess(state, in: rows, generation: generation, notifySockets, output)
            byID[worker.id] = worker
            if !state.hasEnded { running[worker.pid] = worker }
        }
        self.loop = loop
        self.story = story
        var leaving: [WorkerProcess] = []
        for id in state.orphans.leaving { if let worker = byID[id] { leaving.append(worker) } }
        orphans = Orphans(state.orphans, leaving: leaving, loop.buffer, story)
        outOfMemoryKills = state.outOfMemoryKills
        failures = state.failures
        slotsUsed = state.slotsUsed
    }

    static func check(_ rows: StateRows) throws(StateError) {
        _ = try rows.value(State.self, key)
        for key in rows.keys(WorkerProcess.key("")) { _ = try rows.value(WorkerProcess.State.self, key) }
        for key in rows.keys(WorkerProcess.outputKey("")) {
            _ = try WorkerOutput(try rows.value(WorkerOutput.State.self, key))
        }
    }

    /// Watches all workers, after `init` with rows.
    func watch() throws(SystemError) {
        for worker in byID.values { try watch(worker) }
    }

    private func watch(_ worker: WorkerProcess) throws(SystemError) {
        if running[worker.pid] === worker { try loop.watch(worker.exit, .exit(worker)) }
        try loop.watch(worker.notifySocket, .notifySocket(worker))
        if let pipe = worker.readyPipe { try loop.watch(pipe, .readyPipe(worker)) }
        for stream in worker.output.streams { try loop.watch(stream.pipe, .stream(stream)) }
        if let calls = worker.calls { try loop.watch(calls, .call(worker), [.readable, .once]) }
    }

    /// The workers whose rows may have changed since the last call, including those that are forgotten.
    func takeChanged() -> Set<WorkerID> {
        defer { changed.removeAll(keepingCapacity: true) }
        return changed
    }

    // MARK: taking over

    /// None of these workers is a child of this daemon, and nobody is its orphan yet. Call it after `init` with rows.
    func adoptAll() {
        for worker in byID.values {
            worker.isAdopted = true
            worker.stoppedBy = nil
            changed.insert(worker.id)
        }
        orphans.begin()
    }

    // MARK: who there is

    /// Running, or ended and not yet forgotten.
    subscript(id: WorkerID) -> WorkerProcess? { byID[id] }

    /// nil if no running worker has this PID.
    func running(pid: Int32) -> WorkerProcess? { running[pid] }

    /// All workers, running or ended and not yet forgotten, in no particular order.
    var all: some Collection<WorkerProcess> { byID.values }

    /// The running workers, the oldest first.
    var living: [WorkerProcess] { running.values.sorted { $0.id < $1.id } }

    // MARK: starting

    /// Watches the new worker's channels. If that fails (epoll is out of memory), the worker is killed, and reaped when
    /// its end is seen.
    func add(_ worker: WorkerProcess) throws(SpawnError) {
        running[worker.pid] = worker
        do throws(SystemError) { try watch(worker) } catch {
            running[worker.pid] = nil
            for channel in worker.channels { try? loop.unwatch(channel) }
            _ = rl_kill_with_group(worker.exit.number, worker.pid)
            throw SpawnError(step: .channels, error: error, program: worker.generation.program.path)
        }
        byID[worker.id] = worker
        slotsUsed.insert(worker.slot)
        changed.insert(worker.id)
        outOfMemoryKills.look()
        story.tell(worker.record(.info, "worker_started", "worker starts"))
    }

    // MARK: hearing

    /// The messages that the worker has written to its ready pipe, each kind once.
    func readReadyPipe(of worker: WorkerProcess) throws(SystemError) -> [WorkerMessage] {
        guard let pipe = worker.readyPipe else { return [] }
        var messages = WorkerMessages()
        let end = try loop.read(pipe) { bytes in
            worker.readyLines.feed(bytes) { line in
                if let message = WorkerMessage(line: line, emptyMeansReady: true) { messages.add(message) }
            }
        }
        if end == .reached {
            do throws(SystemError) { try loop.unwatch(pipe) } catch { tell(error) }
            worker.readyPipe = nil
            changed.insert(worker.id)
        }
        return messages.all
    }

    /// The messages on the worker's notify socket from senders who may speak for the worker, each kind once.
    func readNotifySocket(of worker: WorkerProcess) throws(SystemError) -> [WorkerMessage] {
        var messages = WorkerMessages()
        for _ in 0..<Self.turnDatagrams {
            let datagram: NotifySocket.Datagram?
            do throws(SystemError) { datagram = try NotifySocket.receive(worker.notifySocket.number) } catch {
                // Messages that were read before the failure count.
                if messages.all.isEmpty { throw error }
                tell(error)
                break
            }
            guard let datagram else { break }
            guard isTrusted(datagram.sender, worker) else { continue }
            for line in datagram.bytes.split(separator: UInt8(ascii: "\n")) {
                if let message = WorkerMessage(line: line, emptyMeansReady: false) { messages.add(message) }
            }
        }
        return messages.all
    }

    /// Messages count if they come from root, the daemon's own user, or the user that workers run as.
    private func isTrusted(_ sender: UInt32, _ worker: WorkerProcess) -> Bool {
        sender == 0 || sender == geteuid() || sender == worker.generation.program.user?.userID
    }

    /// Notes the message; returns the event if the core has to hear of it.
    func event(of message: WorkerMessage, from worker: WorkerProcess) -> Event? {
        switch message {
        case .ready: return .ready(worker.id)
        case .heartbeat: return .heartbeat(worker.id)
        case .stopping: return .stopping(worker.id)
        case .extendTimeout(let duration): return .extendTimeout(worker.id, by: duration)
        case .status(let text):
            if worker.takeStatus(text) {
                changed.insert(worker.id)
                story.tell(
                    worker.record(.info, "worker_status", "worker reports its status", [("status", .text(text))]))
            }
            return nil
        }
    }

    // MARK: signalling

    /// Does nothing if that was done before: after a takeover the core asks again for what stands.
    func askToFinish(_ id: WorkerID, _ terms: OrphanTerms) {
        guard let worker = byID[id], !worker.isAsked else { return }
        worker.isAsked = true
        changed.insert(id)
        orphans.noteDescendants(of: worker, terms)
        let number = worker.generation.stopSignal
        do throws(SystemError) {
            try checked("pidfd_send_signal", "pid \(worker.pid)") { rl_signal(worker.exit.number, number) }
            // A stopped process would not handle the signal, nor would a stopped child that it waits for.
            try checked("pidfd_send_signal", "pid \(worker.pid)") {
                rl_signal_group(worker.exit.number, worker.pid, SIGCONT)
            }
        } catch {
            // ESRCH: the worker has just ended, and its exit will be seen soon.
            if error.errno != ESRCH { story.tell(worker.record(of: error, "cannot signal worker")) }
        }
    }

    /// - Parameter now: on the pool's clock.
    func kill(_ id: WorkerID, at now: Instant, _ terms: OrphanTerms) {
        guard let worker = byID[id] else { return }
        worker.killedAt = now
        changed.insert(id)
        orphans.noteDescendants(of: worker, terms)
        do throws(SystemError) {
            try checked("pidfd_send_signal", "pid \(worker.pid)") { rl_kill_with_group(worker.exit.number, worker.pid) }
        } catch {
            if error.errno != ESRCH { story.tell(worker.record(of: error, "cannot kill worker")) }
        }
        killGroup(of: worker)
    }

    /// Kills all that is in the worker's control group, if it has one. A kernel that cannot do that (before Linux 5.14)
    /// leaves it to the other ways.
    private func killGroup(of worker: WorkerProcess) {
        do throws(SystemError) { try worker.group?.kill() } catch {
            if error.errno != ENOENT { story.tell(worker.record(of: error, "cannot kill the worker's control group")) }
        }
    }

    /// Kills all workers after the loop itself has failed: nothing would notice how they end.
    func killAll() {
        for worker in running.values {
            _ = rl_kill_with_group(worker.exit.number, worker.pid)
            try? worker.group?.kill()
        }
    }

    // MARK: stops

    /// The next worker that was stopped (by SIGSTOP, or by a debugger that detached) or continued since the last call;
    /// nil if there is no other. Those of processes that are being set up are noted in `starts`.
    func nextStop(_ starts: Starts) throws(SystemError) -> WorkerProcess? {
        while true {
            var stop = rl_stop()
            try checked("waitid") { rl_next_stop_or_go_on(&stop) }
            if stop.pid == 0 { return nil }
            let signal = stop.signal == 0 ? nil : stop.signal
            starts.noteStop(of: stop.pid, by: signal)
            guard let worker = running[stop.pid] else { continue }
            if worker.stoppedBy == signal { continue }
            worker.stoppedBy = signal
            return worker
        }
    }

    func tellStop(of worker: WorkerProcess) {
        if let signal = worker.stoppedBy {
            let message = "worker is stopped by \(signalWord(signal)), until it gets SIGCONT"
            story.tell(worker.record(.warning, "worker_stopped", message))
        } else {
            story.tell(worker.record(.info, "worker_continued", "worker runs again"))
        }
    }

    // MARK: ends

    /// The next child of the daemon, worker or not, that has ended and is not yet reaped; nil if there is none.
    func nextEndedChild() throws(SystemError) -> Int32? {
        var exit = rl_exit()
        try checked("waitid") { rl_peek_child(&exit) }
        return exit.pid == 0 ? nil : exit.pid
    }

    /// Reaps a process that became the daemon's child because the daemon is a subreaper or PID 1.
    func reapOrphan(_ pid: Int32) throws(SystemError) {
        var exit = rl_exit()
        try checked("waitid", "pid \(pid)") { rl_reap_child(pid, &exit) }
    }

    /// Reaps the worker and returns how it has ended; `worker.left` then has what it has left behind. nil if the worker
    /// still runs or was reaped before.
    func reap(_ worker: WorkerProcess, _ terms: OrphanTerms) throws(SystemError) -> ExitStatus? {
        guard running[worker.pid] === worker else { return nil }
        if worker.isAdopted { return try seeEnd(of: worker, terms) }
        var exit = rl_exit()
        let number = worker.exit.number
        // The worker is reaped only when all that it has left behind is known: until then no other process can get its
        // PID.
        try checked("waitid", "pid \(worker.pid)") { rl_peek_pidfd(number, &exit) }
        if exit.pid == 0 { return nil }
        hasEnded(worker, terms)
        // Leftovers that can't be seen can't be waited for.
        if !orphans.areVisible { _ = rl_signal_group(number, worker.pid, SIGKILL) }
        try checked("waitid", "pid \(worker.pid)") { rl_reap_pidfd(number, &exit) }
        let status = ExitStatus(exit)
        outOfMemoryKills.look()
        if case .signaled(SIGKILL, _) = status, worker.killedAt == nil {
            worker.wasOutOfMemory = worker.group?.wasOutOfMemory ?? outOfMemoryKills.explainsKill()
        }
        return status
    }

    private func hasEnded(_ worker: WorkerProcess, _ terms: OrphanTerms) {
        running[worker.pid] = nil
        changed.insert(worker.id)
        orphans.workerHasEnded(worker, beside: running, terms)
    }

    /// The same for a worker that was taken over. Its status is known when its parent has reaped it, if the kernel
    /// tells at all.
    private func seeEnd(of worker: WorkerProcess, _ terms: OrphanTerms) throws(SystemError) -> ExitStatus? {
        var request = pollfd(fd: worker.exit.number, events: Int16(POLLIN), revents: 0)
        try checked("poll", "pid \(worker.pid)") { poll(&request, 1, 0) }
        if request.revents == 0 { return nil }
        var exit = rl_exit()
        let number = worker.exit.number
        try checked("ioctl", "PIDFD_GET_INFO") { rl_exit_of_stranger(number, &exit) }
        if exit.pid == 0 {
            let now = MonotonicClock.now()
            guard let since = worker.unreapedSince else {
                worker.unreapedSince = now
                // The kernel tells of the reaping as of a hang-up.
                try loop.rewatch(worker.exit, [])
                return nil
            }
            if now - since < Self.reapersPatience { return nil }
        }
        worker.unreapedSince = nil
        hasEnded(worker, terms)
        outOfMemoryKills.look()
        return exit.pid == 0 ? .unknown : ExitStatus(exit)
    }

    /// How long the parent of a worker that was taken over may take to reap it. An init process does that at once.
    private static let reapersPatience = Duration.seconds(1)

    /// When to look at workers that have ended and are not reaped, on the monotonic clock; nil: there are none.
    var nextDeadline: Instant? {
        unreaped.lazy.compactMap { $0.unreapedSince }.min().map { $0 + Self.reapersPatience }
    }

    /// Workers that were taken over, have ended, and are not reaped.
    var unreaped: [WorkerProcess] { running.values.filter { $0.unreapedSince != nil } }

    /// Call it when the core has been told that the worker has ended.
    func unwatchExit(of worker: WorkerProcess) throws(SystemError) { try loop.unwatch(worker.exit) }

    /// Call it when nothing is left of the worker.
    func forget(_ worker: WorkerProcess) throws(SystemError) {
        for channel in worker.channels { try loop.unwatch(channel) }
        worker.removeNotifyFile()
        byID[worker.id] = nil
        changed.insert(worker.id)
    }

    // MARK: failures

    /// The worker is late: an io_uring(7), by which its calls can't be seen, would explain that.
    func lookForRing(of id: WorkerID) {
        if let worker = byID[id] { worker.usesRing = ProcessTree.usesRing(worker.pid) }
    }

    /// - Parameter reason: as the log words it.
    func noteFailure(in slot: Int, _ reason: String, at now: Instant) { failures.failed(in: slot, reason, at: now) }

    /// Call it when the slot was removed.
    func forgetFailures(in slot: Int) {
        failures.forget(slot)
        slotsUsed.remove(slot)
    }

    /// Whether a process was ever started in the slot.
    func hasHadOne(in slot: Int) -> Bool { slotsUsed.contains(slot) }

    // MARK: leftovers

    /// What a worker has left behind that was taken over: nobody tells this daemon of its end but the kernel, by
    /// pidfds.
    func watchLeftovers(of worker: WorkerProcess) throws(SystemError) {
        guard worker.isAdopted else { return }
        for process in worker.left.living where watchedLeftovers[process] == nil {
            let number = rl_pidfd_open(process.pid)
            // It has ended already.
            if number < 0 { continue }
            let channel = Channel(FileDescriptor(owning: number).moved())
            guard ProcessStatus(process.pid, loop.buffer)?.startTicks == process.startTicks else { continue }
            try loop.watch(channel, .leftover(worker, process))
            watchedLeftovers[process] = channel
        }
    }

    func leftoverHasEnded(_ process: ProcessIdentity) throws(SystemError) {
        if let channel = watchedLeftovers.removeValue(forKey: process) { try loop.unwatch(channel) }
    }

    /// Workers that have ended and have left processes behind.
    var leaving: [WorkerProcess] { orphans.leaving }

    /// Looks again at what each of them has left behind.
    func findLeftovers(_ terms: OrphanTerms) {
        for worker in orphans.leaving { orphans.find(of: worker, beside: running, terms) }
    }

    /// Call it when an orphan has ended, which may have made others the daemon's children. Returns true if nothing is
    /// left.
    func hasNothingLeft(_ worker: WorkerProcess, _ terms: OrphanTerms) -> Bool {
        orphans.areGone(of: worker, beside: running, terms)
    }

    func askLeftoversToFinish(_ id: WorkerID) {
        if let worker = byID[id] { orphans.askToFinish(of: worker) }
    }

    func killLeftovers(_ id: WorkerID) {
        guard let worker = byID[id] else { return }
        orphans.kill(of: worker)
        killGroup(of: worker)
    }

    /// Call it when a hook has ended.
    func noteOrphans(ofHookStartedAt ticks: Int, _ terms: OrphanTerms) {
        orphans.noteHook(startedAt: ticks, beside: running, terms)
    }

    /// Kills all leftovers, because the daemon ends.
    func killTheRest(_ terms: OrphanTerms) { orphans.killTheRest(beside: running, terms) }

    private func tell(_ error: SystemError) { story.tell(LogRecord(.error, "system_error", "\(error)")) }
}

extension ExitStatus {
    init(_ exit: rl_exit) {
        self = exit.signaled ? .signaled(exit.status, coreDumped: exit.core_dumped) : .exited(code: exit.status)
    }
}

/// How often the workers of each slot have failed since the daemon started or the slot was added, and why the last one
/// did.
struct SlotFailures: Codable {
    struct Failure: Codable {
        /// As the log words it.
        let reason: String
        let at: Instant
    }

    private var counts: [Int: Int] = [:]
    private var last: [Int: Failure] = [:]

    mutating func failed(in slot: Int, _ reason: String, at now: Instant) {
        counts[slot, default: 0] += 1
        last[slot] = Failure(reason: reason, at: now)
    }

    /// Call it when the slot was removed.
    mutating func forget(_ slot: Int) {
        counts[slot] = nil
        last[slot] = nil
    }

    func count(in slot: Int) -> Int { counts[slot] ?? 0 }

    func last(in slot: Int) -> Failure? { last[slot] }
}
