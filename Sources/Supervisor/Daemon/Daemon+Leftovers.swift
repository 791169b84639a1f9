// What workers leave behind when they end: found, asked to finish, killed when the core says so, and waited for.
//
// What is handed to the daemon is proven to be a worker's by one of these: it is in the session that the worker led; it descended
// from the worker when that was asked to end; it has the worker's NOTIFY_SOCKET, which is like no other, in its environment;
// or all workers that could have started it, because they were there before it, are gone. Nothing else is touched.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    // MARK: finding

    /// To be called when the worker is asked to end, and before it is killed: its descendants may lose every other trace of
    /// it.
    func noteDescendants(of worker: WorkerProcess) {
        if settings.keepsChildren { return }
        let family = adopted.family(of: worker.pid).lazy.map { $0.identity }.filter { $0.pid != worker.pid }
        worker.left.noteDescendants(family)
    }

    /// Looks for what the worker has left; it has ended.
    func findLeftovers(of worker: WorkerProcess) {
        let own = adopted.living(isOwn: isStarted).filter { isLeft($0, by: worker) }
        let families = own.flatMap { adopted.family(of: $0.identity.pid) }.filter {
            !settings.keepsChildren || $0.session == worker.pid
        }
        worker.left.set(own.map { $0.identity }, families: families.map { $0.identity })
    }

    private func isStarted(_ pid: Int32) -> Bool { workersByPID[pid] != nil || hooks.process(pid) != nil }

    private func isLeft(_ orphan: Orphan, by worker: WorkerProcess) -> Bool {
        if orphan.session == worker.pid { return true }
        if settings.keepsChildren { return false }
        return worker.left.seen.contains(orphan.identity) || hasNotifySocket(of: worker, orphan.identity.pid)
            || isLeftByElimination(orphan)
    }

    /// proc_pid_environ(5); only root and its own user may read it, and a program may have written over it.
    private func hasNotifySocket(of worker: WorkerProcess, _ pid: Int32) -> Bool {
        let wanted = Array("NOTIFY_SOCKET=\(worker.notifyAddress)".utf8)
        return ProcessTree.environment(of: pid).contains { $0.elementsEqual(wanted) }
    }

    /// Each worker that lives was started later, and no hook can have left it.
    private func isLeftByElimination(_ orphan: Orphan) -> Bool {
        guard adopted.areAllOurs, !hooksMayHaveLeft, hooks.running.isEmpty else { return false }
        return workersByPID.values.allSatisfy { id in
            workers[id].map { $0.startTicks > orphan.identity.startTicks } ?? true
        }
    }

    /// A hook has ended: what has become an orphan since it began may be its own, and whatever descends from that.
    func noteOrphans(ofHookStartedAt ticks: Int) {
        if adopted.living(isOwn: isStarted).contains(where: { $0.identity.startTicks >= ticks }) {
            hooksMayHaveLeft = true
        }
    }

    // MARK: obeying

    func askLeftoversToFinish(_ id: WorkerID) {
        guard let worker = workers[id] else { return }
        worker.left.areAsked = true
        askNewLeftovers(of: worker)
    }

    func killLeftovers(_ id: WorkerID) {
        guard let worker = workers[id] else { return }
        worker.left.areKilled = true
        signalLeftovers(worker.left.living, [SIGKILL], of: worker)
    }

    /// Each once; those too that have become orphans since.
    private func askNewLeftovers(of worker: WorkerProcess) {
        let new = worker.left.orphans.subtracting(worker.left.asked)
        worker.left.asked.formUnion(new)
        signalLeftovers(Array(new), [worker.generation.stopSignal, SIGCONT], of: worker)
    }

    private func signalLeftovers(_ processes: [ProcessIdentity], _ signals: [Int32], of worker: WorkerProcess) {
        for process in processes {
            do throws(SystemError) { try process.send(signals, loop.buffer) } catch {
                tellFailure(error, "cannot signal what the worker has left", worker)
            }
        }
    }

    // MARK: waiting

    /// An orphan has ended: others may have been handed to the daemon by that, or nothing is left.
    func lookAtLeftovers() throws(SystemError) {
        for id in leaving {
            guard let worker = workers[id] else { continue }
            findLeftovers(of: worker)
            if worker.left.isEmpty {
                leaving.remove(id)
                tellNothingLeft(by: worker)
                try forget(worker)
                handle(.leftoversGone(id))
            } else if worker.left.areKilled {
                signalLeftovers(worker.left.living, [SIGKILL], of: worker)
            } else if worker.left.areAsked {
                askNewLeftovers(of: worker)
            }
        }
    }

    /// The daemon ends, and all workers with it: whoever is still there was started by them or by hooks.
    func killTheRest() {
        if settings.keepsChildren || getpid() == 1 { return }
        for orphan in adopted.living(isOwn: isStarted) {
            for process in adopted.family(of: orphan.identity.pid) {
                do throws(SystemError) { try process.identity.send([SIGKILL], loop.buffer) } catch {
                    story.tell(LogRecord(.error, "system_error", "cannot kill what is left: \(error)"))
                }
            }
        }
    }
}
