// Children of the daemon that it did not start. The daemon is the subreaper of everything that it starts, so a process
// that loses its parent becomes the daemon's own child. It is found when a worker ends, asked to finish, killed when
// the core says so, and waited for.
//
// An orphan is proven to be a worker's in one of five ways: it is in the worker's control group (--cgroup); it is in
// the session that the worker led; it descended from the worker when the worker was asked to end; it has the worker's
// NOTIFY_SOCKET, which is unique, in its environment; or all workers that could have started it, because they are
// older, are gone. No other process is touched.
internal import Glibc
internal import Reloader

/// What the proof needs to know from outside this type.
struct OrphanTerms {
    /// The processes that the daemon has started and that are no workers: hooks, for example.
    let hooks: Set<Int32>
    /// The processes that are being set up, and the time since when each may have started others; see `Starts`.
    let starts: [Int32: Int]
    /// Processes by which the daemon does its own work: its helpers and its keeper.
    let helpers: Set<Int32>
    /// `--keep-children`: only a worker's own session counts.
    let keepsChildren: Bool
    /// Finds the value of an environment variable of a process; nil if it has none, or if that can't be seen now.
    let variable: (_ name: String, _ pid: Int32) -> String?
}

/// What one worker has left behind: orphans that are proven to be its own, and all their descendants. Kept from the
/// worker's end until none of them is left.
struct Leftovers: Codable {
    /// Those that have become children of the daemon. They get the stop signal; ending their descendants is up to them.
    fileprivate(set) var orphans: Set<ProcessIdentity> = []
    /// All orphans and descendants that were ever seen: if one of them becomes an orphan later, it is the worker's.
    fileprivate var seen: Set<ProcessIdentity> = []
    /// The orphans and descendants that are alive.
    fileprivate(set) var living: [ProcessIdentity] = []
    /// Those that have been sent the stop signal.
    fileprivate var asked: Set<ProcessIdentity> = []
    fileprivate var areAsked = false
    fileprivate var areKilled = false

    var isEmpty: Bool { orphans.isEmpty }
}

final class Orphans {
    private struct Orphan {
        let identity: ProcessIdentity
        let session: Int32
    }

    private let buffer: UnsafeMutableRawBufferPointer
    private let story: Story
    /// Children that the daemon had before it started any: the program that became the daemon by exec had started them.
    private var earlier: Set<ProcessIdentity>
    /// Whether the kernel lists the daemon's children (CONFIG_PROC_CHILDREN, and /proc is mounted).
    let areVisible: Bool
    /// Workers that have ended and have left processes behind.
    private(set) var leaving: [WorkerProcess] = []
    private var hooksMayHaveLeft = false

    /// Create it before anything is started.
    ///
    /// - Parameter buffer: scratch space for files of /proc.
    init(_ buffer: UnsafeMutableRawBufferPointer, _ story: Story) {
        self.buffer = buffer
        self.story = story
        areVisible = Self.children { _ in false } != nil
        earlier = []
        begin()
    }

    /// All children that the process has now are nobody's: it has not started any.
    func begin() {
        let identities = (Self.children { _ in false } ?? []).compactMap { pid in
            ProcessStatus(pid, buffer).map { ProcessIdentity(pid, $0) }
        }
        earlier = Set(identities)
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let earlier: Set<ProcessIdentity>
        let leaving: [WorkerID]
        let hooksMayHaveLeft: Bool
    }

    var state: State {
        State(earlier: earlier, leaving: leaving.map { $0.id }, hooksMayHaveLeft: hooksMayHaveLeft)
    }

    /// - Parameter leaving: those that `state` names.
    init(_ state: State, leaving: [WorkerProcess], _ buffer: UnsafeMutableRawBufferPointer, _ story: Story) {
        self.buffer = buffer
        self.story = story
        earlier = state.earlier
        areVisible = Self.children { _ in false } != nil
        self.leaving = leaving
        hooksMayHaveLeft = state.hooksMayHaveLeft
    }

    // MARK: finding

    /// Call it when the worker is asked to end, and before it is killed: later its descendants may have lost every
    /// other trace of it.
    func noteDescendants(of worker: WorkerProcess, _ terms: OrphanTerms) {
        if terms.keepsChildren { return }
        let family = family(of: worker.pid).lazy.map { $0.identity }.filter { $0.pid != worker.pid }
        worker.left.seen.formUnion(family)
    }

    /// Finds what a worker has left behind. The worker has ended and is not yet reaped.
    func workerHasEnded(_ worker: WorkerProcess, beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms) {
        find(of: worker, beside: workers, terms)
        if !worker.left.isEmpty { leaving.append(worker) }
    }

    /// - Parameter workers: the running workers, by PID.
    func find(of worker: WorkerProcess, beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms) {
        let group = worker.group?.processes ?? []
        let own =
            worker.isAdopted
            ? strangers(of: worker, beside: workers, group, terms)
            : living(beside: workers, terms).filter {
                group.contains($0.identity.pid) || isLeft($0, by: worker, beside: workers, terms)
            }
        let families = own.flatMap { family(of: $0.identity.pid) }.filter {
            !terms.keepsChildren || $0.session == worker.pid
        }
        worker.left.orphans = Set(own.map { $0.identity })
        worker.left.living = families.map { $0.identity }
        worker.left.seen.formUnion(worker.left.living)
    }

    private func isLeft(
        _ orphan: Orphan, by worker: WorkerProcess, beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms
    ) -> Bool {
        if orphan.session == worker.pid { return true }
        if terms.keepsChildren { return false }
        // What costs a look into the process comes last.
        return worker.left.seen.contains(orphan.identity) || isLeftByElimination(orphan, beside: workers, terms)
            || hasNotifySocket(of: worker, orphan.identity.pid, terms)
    }

    /// What a worker has left behind that was taken over: it is no child of this daemon, so all processes are looked
    /// at.
    ///
    /// - Parameter group: the processes in the worker's control group.
    private func strangers(
        of worker: WorkerProcess, beside workers: [Int32: WorkerProcess], _ group: Set<Int32>, _ terms: OrphanTerms
    ) -> [Orphan] {
        ProcessTree.all.compactMap { orphan($0) }.filter { process in
            let pid = process.identity.pid
            if pid == worker.pid || workers[pid] != nil || workers[process.session] != nil { return false }
            if group.contains(pid) || process.session == worker.pid { return true }
            if terms.keepsChildren || terms.helpers.contains(pid) { return false }
            return worker.left.seen.contains(process.identity) || hasNotifySocket(of: worker, pid, terms)
        }
    }

    private func hasNotifySocket(of worker: WorkerProcess, _ pid: Int32, _ terms: OrphanTerms) -> Bool {
        terms.variable("NOTIFY_SOCKET", pid) == worker.notifyAddress
    }

    /// All living workers were started later than this orphan, and no hook can have left it.
    private func isLeftByElimination(
        _ orphan: Orphan, beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms
    ) -> Bool {
        guard areAllOurs, !hooksMayHaveLeft, terms.hooks.isEmpty else { return false }
        let ticks = orphan.identity.startTicks
        return workers.values.allSatisfy { $0.startTicks > ticks } && terms.starts.values.allSatisfy { $0 > ticks }
    }

    /// Whether everything that becomes the daemon's child descends from something that the daemon has started. That is
    /// so unless the daemon is an init process, which gets the orphans of others too, or had children before it started
    /// any.
    private var areAllOurs: Bool { earlier.isEmpty && getpid() != 1 }

    /// Call it when a hook has ended: a process that has become an orphan since the hook began may be the hook's, and
    /// so may its descendants.
    func noteHook(startedAt ticks: Int, beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms) {
        if living(beside: workers, terms).contains(where: { $0.identity.startTicks >= ticks }) {
            hooksMayHaveLeft = true
        }
    }

    // MARK: signalling

    func askToFinish(of worker: WorkerProcess) {
        worker.left.areAsked = true
        askNew(of: worker)
    }

    func kill(of worker: WorkerProcess) {
        worker.left.areKilled = true
        signal(worker.left.living, [SIGKILL], of: worker)
    }

    /// Signals each orphan once, including those that have become orphans since.
    private func askNew(of worker: WorkerProcess) {
        let new = worker.left.orphans.subtracting(worker.left.asked)
        worker.left.asked.formUnion(new)
        signal(Array(new), [worker.generation.stopSignal, SIGCONT], of: worker)
    }

    private func signal(_ processes: [ProcessIdentity], _ signals: [Int32], of worker: WorkerProcess) {
        for process in processes {
            do throws(SystemError) { try process.send(signals, buffer) } catch {
                story.tell(worker.record(of: error, "cannot signal a process that the worker has left behind"))
            }
        }
    }

    // MARK: waiting

    /// Looks for what is left of the worker and returns true if nothing is. Processes that have become orphans since
    /// get the signals that the others have had.
    func areGone(of worker: WorkerProcess, beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms) -> Bool {
        find(of: worker, beside: workers, terms)
        if worker.left.isEmpty {
            leaving.removeAll { $0 === worker }
            story.tell(
                worker.record(.info, "leftovers_gone", "all processes that the worker has left behind have ended"))
            return true
        }
        if worker.left.areKilled {
            signal(worker.left.living, [SIGKILL], of: worker)
        } else if worker.left.areAsked {
            askNew(of: worker)
        }
        return false
    }

    /// Kills what is left when the daemon ends: those processes were started by workers or by hooks.
    func killTheRest(beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms) {
        if terms.keepsChildren || getpid() == 1 { return }
        for orphan in living(beside: workers, terms) {
            for process in family(of: orphan.identity.pid) {
                do throws(SystemError) { try process.identity.send([SIGKILL], buffer) } catch {
                    story.tell(
                        LogRecord(.error, "system_error", "cannot kill a process that was left behind: \(error)"))
                }
            }
        }
    }

    // MARK: looking

    /// Children of the daemon that are alive, and that are neither workers, nor hooks, nor on the way to become either,
    /// nor among the children that the daemon had before it started any.
    private func living(beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms) -> [Orphan] {
        let children =
            Self.children {
                workers[$0] != nil || terms.hooks.contains($0) || terms.helpers.contains($0) || terms.starts[$0] != nil
            } ?? []
        return children.compactMap { orphan($0) }.filter { !earlier.contains($0.identity) }
    }

    /// The process and all its descendants that are alive.
    private func family(of pid: Int32) -> [Orphan] { ProcessTree.processes(of: pid).compactMap { orphan($0) } }

    private func orphan(_ pid: Int32) -> Orphan? {
        guard let status = ProcessStatus(pid, buffer), !status.hasEnded else { return nil }
        return Orphan(identity: ProcessIdentity(pid, status), session: status.session)
    }

    /// The children of the daemon's one thread, see proc_pid_children(5). Read at each end of a worker; the list
    /// contains all other workers.
    private static func children(except isOwn: (Int32) -> Bool) -> [Int32]? {
        guard let bytes = ProcFile.bytes("/proc/self/task/\(getpid())/children") else { return nil }
        var children: [Int32] = []
        var pid: Int32 = 0
        for byte in bytes {
            if byte == UInt8(ascii: " ") {
                if !isOwn(pid) { children.append(pid) }
                pid = 0
            } else {
                pid = pid &* 10 &+ Int32(byte &- UInt8(ascii: "0"))
            }
        }
        return children
    }
}
