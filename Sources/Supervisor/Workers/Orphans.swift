// Children of the daemon that it did not start. It is the subreaper of all that it starts, so what loses its parent becomes its
// own child: found when a worker ends, asked to finish, killed when the core says so, and waited for.
//
// What is handed to the daemon is proven to be a worker's by one of these: it is in the session that the worker led; it
// descended from the worker when that was asked to end; it has the worker's NOTIFY_SOCKET, which is like no other, in its
// environment; or all workers that could have started it, because they were there before it, are gone. Nothing else is touched.
internal import Glibc
internal import Reloader

/// What the proof needs to know of others.
struct OrphanTerms {
    /// The processes of the hooks that run.
    let hooks: Set<Int32>
    /// `--keep-children`: only a worker's own session counts.
    let keepsChildren: Bool
}

/// What one worker has left behind: orphans that are proven to be its own, and all that descends from them. Known from the
/// worker's end on, until nothing is left.
struct Leftovers {
    /// Handed to the daemon. They get the stop signal; what descends from them is theirs to end.
    fileprivate(set) var orphans: Set<ProcessIdentity> = []
    /// Orphans and descendants, now or earlier: an orphan that was seen among them is the worker's.
    fileprivate var seen: Set<ProcessIdentity> = []
    /// Those that live.
    fileprivate(set) var living: [ProcessIdentity] = []
    /// They have had their stop signal.
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
    /// The daemon's children before it had any of its own: of the program that has become the daemon by exec.
    private let earlier: Set<ProcessIdentity>
    /// The kernel says who the daemon's children are (CONFIG_PROC_CHILDREN, and /proc is mounted).
    let areVisible: Bool
    /// Workers that have ended, and have left something.
    private(set) var leaving: [WorkerProcess] = []
    private var hooksMayHaveLeft = false

    /// To be made before anything is started.
    ///
    /// - Parameter buffer: for files of /proc.
    init(_ buffer: UnsafeMutableRawBufferPointer, _ story: Story) {
        self.buffer = buffer
        self.story = story
        let children = Self.children { _ in false }
        areVisible = children != nil
        let identities = (children ?? []).compactMap { pid in
            ProcessStatus(pid, buffer).map { ProcessIdentity(pid, $0) }
        }
        earlier = Set(identities)
    }

    // MARK: finding

    /// To be called when the worker is asked to end, and before it is killed: its descendants may lose every other trace of
    /// it.
    func noteDescendants(of worker: WorkerProcess, _ terms: OrphanTerms) {
        if terms.keepsChildren { return }
        let family = family(of: worker.pid).lazy.map { $0.identity }.filter { $0.pid != worker.pid }
        worker.left.seen.formUnion(family)
    }

    /// The worker has ended, and is not yet reaped: finds what it has left.
    func workerHasEnded(_ worker: WorkerProcess, beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms) {
        find(of: worker, beside: workers, terms)
        if !worker.left.isEmpty { leaving.append(worker) }
    }

    /// - Parameter workers: those that run, by PID.
    func find(of worker: WorkerProcess, beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms) {
        let own = living(beside: workers, terms).filter { isLeft($0, by: worker, beside: workers, terms) }
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
        return worker.left.seen.contains(orphan.identity) || hasNotifySocket(of: worker, orphan.identity.pid)
            || isLeftByElimination(orphan, beside: workers, terms)
    }

    private func hasNotifySocket(of worker: WorkerProcess, _ pid: Int32) -> Bool {
        let wanted = Array("NOTIFY_SOCKET=\(worker.notifyAddress)".utf8)
        return ProcessTree.environment(of: pid).contains { $0.elementsEqual(wanted) }
    }

    /// Each worker that lives was started later, and no hook can have left it.
    private func isLeftByElimination(
        _ orphan: Orphan, beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms
    ) -> Bool {
        guard areAllOurs, !hooksMayHaveLeft, terms.hooks.isEmpty else { return false }
        return workers.values.allSatisfy { $0.startTicks > orphan.identity.startTicks }
    }

    /// Whatever becomes the daemon's child was started by something that it has started: it is no init process, to which
    /// others' orphans come as well, and had no children before.
    private var areAllOurs: Bool { earlier.isEmpty && getpid() != 1 }

    /// A hook has ended: what has become an orphan since it began may be its own, and whatever descends from that.
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

    /// Each once; those too that have become orphans since.
    private func askNew(of worker: WorkerProcess) {
        let new = worker.left.orphans.subtracting(worker.left.asked)
        worker.left.asked.formUnion(new)
        signal(Array(new), [worker.generation.stopSignal, SIGCONT], of: worker)
    }

    private func signal(_ processes: [ProcessIdentity], _ signals: [Int32], of worker: WorkerProcess) {
        for process in processes {
            do throws(SystemError) { try process.send(signals, buffer) } catch {
                story.tell(worker.record(of: error, "cannot signal what the worker has left"))
            }
        }
    }

    // MARK: waiting

    /// Looks at what is left of the worker; true if that is nothing any more. What has become an orphan since gets the signals
    /// that the others have had.
    func areGone(of worker: WorkerProcess, beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms) -> Bool {
        find(of: worker, beside: workers, terms)
        if worker.left.isEmpty {
            leaving.removeAll { $0 === worker }
            story.tell(worker.record(.info, "leftovers_gone", "nothing that the worker has started is left"))
            return true
        }
        if worker.left.areKilled {
            signal(worker.left.living, [SIGKILL], of: worker)
        } else if worker.left.areAsked {
            askNew(of: worker)
        }
        return false
    }

    /// The daemon ends: whoever is still there was started by workers or by hooks.
    func killTheRest(beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms) {
        if terms.keepsChildren || getpid() == 1 { return }
        for orphan in living(beside: workers, terms) {
            for process in family(of: orphan.identity.pid) {
                do throws(SystemError) { try process.identity.send([SIGKILL], buffer) } catch {
                    story.tell(LogRecord(.error, "system_error", "cannot kill what is left: \(error)"))
                }
            }
        }
    }

    // MARK: looking

    /// Those that live, and were started by nobody that the daemon knows.
    private func living(beside workers: [Int32: WorkerProcess], _ terms: OrphanTerms) -> [Orphan] {
        let children = Self.children { workers[$0] != nil || terms.hooks.contains($0) } ?? []
        return children.compactMap { orphan($0) }.filter { !earlier.contains($0.identity) }
    }

    /// The process and all that descends from it, as far as it lives.
    private func family(of pid: Int32) -> [Orphan] { ProcessTree.processes(of: pid).compactMap { orphan($0) } }

    private func orphan(_ pid: Int32) -> Orphan? {
        guard let status = ProcessStatus(pid, buffer), !status.hasEnded else { return nil }
        return Orphan(identity: ProcessIdentity(pid, status), session: status.session)
    }

    /// proc_pid_children(5): of the daemon's one thread. Read at each end of a worker, with all the other workers in it.
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
