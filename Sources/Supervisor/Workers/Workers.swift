// The workers: those that run, and those that have ended and have left something. Each is watched from its start on, heard,
// signalled by its pidfd only, and reaped when all that it has left is known.
internal import CLinux
internal import Glibc
internal import Reloader

final class Workers {
    /// Datagrams read from one worker in a turn.
    private static let turnDatagrams = 16

    private let loop: Loop
    private let story: Story
    private let orphans: Orphans
    private var byID: [WorkerID: WorkerProcess] = [:]
    /// By PID: those that have not ended.
    private var running: [Int32: WorkerProcess] = [:]
    private var outOfMemoryKills = OutOfMemoryKills()
    private(set) var failures = SlotFailures()

    /// To be made before anything is started.
    init(_ loop: Loop, _ story: Story) {
        self.loop = loop
        self.story = story
        orphans = Orphans(loop.buffer, story)
    }

    /// Running, or ended and not yet forgotten.
    subscript(id: WorkerID) -> WorkerProcess? { byID[id] }

    /// nil: no worker that runs has this number.
    func running(pid: Int32) -> WorkerProcess? { running[pid] }

    /// Running, or ended and not yet forgotten; in no order.
    var all: some Collection<WorkerProcess> { byID.values }

    /// Those that run, the eldest first.
    var living: [WorkerProcess] { running.values.sorted { $0.id < $1.id } }

    // MARK: beginning

    /// Watches the new worker's channels. If that fails (epoll is out of memory), there is no worker.
    func add(_ worker: WorkerProcess) throws(SpawnError) {
        do throws(SystemError) {
            try loop.watch(worker.exit, .exit(worker))
            try loop.watch(worker.notifySocket, .notifySocket(worker))
            if let pipe = worker.readyPipe { try loop.watch(pipe, .readyPipe(worker)) }
            for stream in worker.output.streams { try loop.watch(stream.pipe, .stream(stream)) }
            if let calls = worker.calls { try loop.watch(calls, .call(worker)) }
        } catch {
            for channel in worker.channels { try? loop.unwatch(channel) }
            _ = rl_kill_with_group(worker.exit.number, worker.pid)
            var exit = rl_exit()
            _ = rl_reap_child(worker.pid, &exit)
            throw SpawnError(step: .channels, error: error, program: worker.generation.program.path)
        }
        byID[worker.id] = worker
        running[worker.pid] = worker
        outOfMemoryKills.look()
        story.tell(worker.record(.info, "worker_started", "worker starts"))
    }

    // MARK: hearing

    /// What the worker has written to its ready pipe, each kind of message once.
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
        }
        return messages.all
    }

    /// What somebody who may speak for the worker has sent to its notify socket, each kind of message once.
    func readNotifySocket(of worker: WorkerProcess) throws(SystemError) -> [WorkerMessage] {
        var messages = WorkerMessages()
        for _ in 0..<Self.turnDatagrams {
            let datagram: NotifySocket.Datagram?
            do throws(SystemError) { datagram = try NotifySocket.receive(worker.notifySocket.number) } catch {
                // What was heard before it counts.
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

    /// The daemon's own user, root, and the user that workers run as may speak for a worker.
    private func isTrusted(_ sender: UInt32, _ worker: WorkerProcess) -> Bool {
        sender == 0 || sender == geteuid() || sender == worker.generation.program.user?.userID
    }

    /// Takes note of the message; returns the event if it is one for the core.
    func event(of message: WorkerMessage, from worker: WorkerProcess) -> Event? {
        switch message {
        case .ready: return .ready(worker.id)
        case .heartbeat: return .heartbeat(worker.id)
        case .stopping: return .stopping(worker.id)
        case .extendTimeout(let duration): return .extendTimeout(worker.id, by: duration)
        case .status(let text):
            if worker.takeStatus(text) {
                story.tell(
                    worker.record(.info, "worker_status", "worker reports its status", [("status", .text(text))]))
            }
            return nil
        }
    }

    // MARK: signalling

    func askToFinish(_ id: WorkerID, _ terms: OrphanTerms) {
        guard let worker = byID[id] else { return }
        orphans.noteDescendants(of: worker, terms)
        let number = worker.generation.stopSignal
        do throws(SystemError) {
            try checked("pidfd_send_signal", "pid \(worker.pid)") { rl_signal(worker.exit.number, number) }
            // One that is stopped hears of nothing; nor would a child that it waits for.
            try checked("pidfd_send_signal", "pid \(worker.pid)") {
                rl_signal_group(worker.exit.number, worker.pid, SIGCONT)
            }
        } catch {
            // ESRCH: it has just ended, and its exit is on its way here.
            if error.errno != ESRCH { story.tell(worker.record(of: error, "cannot signal worker")) }
        }
    }

    /// - Parameter now: on the pool's clock.
    func kill(_ id: WorkerID, at now: Instant, _ terms: OrphanTerms) {
        guard let worker = byID[id] else { return }
        worker.killedAt = now
        orphans.noteDescendants(of: worker, terms)
        do throws(SystemError) {
            try checked("pidfd_send_signal", "pid \(worker.pid)") { rl_kill_with_group(worker.exit.number, worker.pid) }
        } catch {
            if error.errno != ESRCH { story.tell(worker.record(of: error, "cannot kill worker")) }
        }
    }

    /// The loop itself has failed: nobody will hear of their ends.
    func killAll() {
        for worker in running.values { _ = rl_kill_with_group(worker.exit.number, worker.pid) }
    }

    // MARK: stops

    /// The next worker that was stopped (SIGSTOP, a debugger's leave) or continued since the last call; nil: no more.
    func nextStop() throws(SystemError) -> WorkerProcess? {
        while true {
            var stop = rl_stop()
            try checked("waitid") { rl_next_stop_or_go_on(&stop) }
            if stop.pid == 0 { return nil }
            guard let worker = running[stop.pid] else { continue }
            let signal = stop.signal == 0 ? nil : stop.signal
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

    /// The next child of the daemon, worker or not, that has ended and is not yet reaped; nil: there is none.
    func nextEndedChild() throws(SystemError) -> Int32? {
        var exit = rl_exit()
        try checked("waitid") { rl_peek_child(&exit) }
        return exit.pid == 0 ? nil : exit.pid
    }

    /// What was handed to the daemon as subreaper or PID 1.
    func reapOrphan(_ pid: Int32) throws(SystemError) {
        var exit = rl_exit()
        try checked("waitid", "pid \(pid)") { rl_reap_child(pid, &exit) }
    }

    /// How the worker has ended, and `worker.left` is what it has left; nil if it runs, or was reaped before.
    func reap(_ worker: WorkerProcess, _ terms: OrphanTerms) throws(SystemError) -> ExitStatus? {
        guard running[worker.pid] === worker else { return nil }
        var exit = rl_exit()
        let number = worker.exit.number
        // Reaped only when all that it has left is known: until then its number can't be anybody else's.
        try checked("waitid", "pid \(worker.pid)") { rl_peek_pidfd(number, &exit) }
        if exit.pid == 0 { return nil }
        running[worker.pid] = nil
        orphans.workerHasEnded(worker, beside: running, terms)
        // What can't be seen can't be waited for.
        if !orphans.areVisible { _ = rl_signal_group(number, worker.pid, SIGKILL) }
        try checked("waitid", "pid \(worker.pid)") { rl_reap_pidfd(number, &exit) }
        let status = ExitStatus(exit)
        outOfMemoryKills.look()
        if case .signaled(SIGKILL, _) = status, worker.killedAt == nil {
            worker.wasOutOfMemory = outOfMemoryKills.explainsKill()
        }
        return status
    }

    /// Its end has been told to the core.
    func unwatchExit(of worker: WorkerProcess) throws(SystemError) { try loop.unwatch(worker.exit) }

    /// Nothing is left of the worker.
    func forget(_ worker: WorkerProcess) throws(SystemError) {
        for channel in worker.channels { try loop.unwatch(channel) }
        worker.removeNotifyFile()
        byID[worker.id] = nil
    }

    // MARK: failures

    /// - Parameter reason: in the words of the log.
    func noteFailure(in slot: Int, _ reason: String, at now: Instant) { failures.failed(in: slot, reason, at: now) }

    /// The slot is gone.
    func forgetFailures(in slot: Int) { failures.forget(slot) }

    // MARK: what they leave

    /// Those that have ended, and have left something.
    var leaving: [WorkerProcess] { orphans.leaving }

    /// Looks again at what each has left.
    func findLeftovers(_ terms: OrphanTerms) {
        for worker in orphans.leaving { orphans.find(of: worker, beside: running, terms) }
    }

    /// An orphan has ended: others may have been handed to the daemon by that, or nothing is left; true if so.
    func hasNothingLeft(_ worker: WorkerProcess, _ terms: OrphanTerms) -> Bool {
        orphans.areGone(of: worker, beside: running, terms)
    }

    func askLeftoversToFinish(_ id: WorkerID) {
        if let worker = byID[id] { orphans.askToFinish(of: worker) }
    }

    func killLeftovers(_ id: WorkerID) {
        if let worker = byID[id] { orphans.kill(of: worker) }
    }

    /// To be called when a hook has ended.
    func noteOrphans(ofHookStartedAt ticks: Int, _ terms: OrphanTerms) {
        orphans.noteHook(startedAt: ticks, beside: running, terms)
    }

    /// The daemon ends, and all workers with it.
    func killTheRest(_ terms: OrphanTerms) { orphans.killTheRest(beside: running, terms) }

    private func tell(_ error: SystemError) { story.tell(LogRecord(.error, "system_error", "\(error)")) }
}

extension ExitStatus {
    init(_ exit: rl_exit) {
        self = exit.signaled ? .signaled(exit.status, coreDumped: exit.core_dumped) : .exited(code: exit.status)
    }
}
