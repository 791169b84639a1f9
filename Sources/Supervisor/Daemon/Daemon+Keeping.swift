// What the keeper is told: the rows that have changed, before the daemon acts on them and at the end of each turn. So a
// daemon that takes over finds nothing done that it does not know of, but for the one start that was being carried out.
internal import Glibc
internal import Reloader

extension Daemon {
    func keeperTerms() -> KeeperTerms {
        let timeout = settings.policy.stopTimeout
        let milliseconds = timeout.nanoseconds / 1_000_000
        return KeeperTerms(
            endsWorkers: settings.endsOrphans, stopSignal: UInt8(clamping: settings.stopSignal),
            stopTimeoutMilliseconds: UInt64(clamping: milliseconds))
    }

    /// Sends what has changed, as far as there is room.
    func keep() {
        guard let keeper, let number = keeper.number else { return }
        noteChanges()
        if ledger.begins(with: number) { noteAll() }
        guard keeper.hasRoom, !ledger.isEmpty else { return }
        do throws(StateError) {
            while let subject = ledger.next() {
                guard try send(subject, to: keeper) else { return ledger.note(subject) }
            }
            if keeper.commit() { ledger.committed() }
        } catch {
            // A value that can't be written is a bug, and would be one in each turn.
            story.tellOnce(
                LogRecord(.error, "keeper_unavailable", "the state cannot be kept for the next daemon: \(error)"))
        }
    }

    private func noteChanges() {
        let changes = pool.takeChanges()
        if changes.head != nil { ledger.note(.pool) }
        for slot in changes.slots { ledger.note(.slot(slot)) }
        let changed = workers.takeChanged()
        for id in changed { ledger.note(.worker(id)) }
        if !changed.isEmpty {
            ledger.note(.workers)
            ledger.note(.ports)
        }
        if helper.takeIsChanged() { ledger.note(.ports) }
        if releases.takeIsChanged() { ledger.note(.releases) }
        if deploys.takeIsChanged() { ledger.note(.deploys) }
    }

    private func noteAll() {
        for subject in [Ledger.Subject.daemon, .pool, .releases, .deploys, .workers, .ports, .starts, .calls] {
            ledger.note(subject)
        }
        for slot in pool.slots.indices { ledger.note(.slot(slot)) }
        for worker in workers.all { ledger.note(.worker(worker.id)) }
    }

    /// Returns false if there is no room now.
    private func send(_ subject: Ledger.Subject, to keeper: Keeper) throws(StateError) -> Bool {
        switch subject {
        case .daemon: return keeper.put(try daemonRow(pidFile: nil, order: nil))
        case .pool: return keeper.put(try DaemonState.row(of: pool.head))
        case .slot(let number):
            let key = DaemonState.slotKey(number)
            guard pool.slots.indices.contains(number) else { return keeper.remove(key) }
            return keeper.put(try StateRow(key, pool.slots[number]))
        case .releases: return try sendReleases(to: keeper)
        case .deploys: return keeper.put(try deploys.row())
        case .worker(let id): return try send(id, to: keeper)
        case .workers:
            guard keeper.put(try notifySockets.row()) else { return false }
            return keeper.put(try workers.row())
        case .ports:
            guard keeper.put(try ports.row()) else { return false }
            return keeper.put(try helper.row())
        case .starts: return keeper.put(try starts.row())
        case .calls:
            if callsUnderWay.isEmpty { return keeper.remove(Takeover.callsKey) }
            return keeper.put(try StateRow(Takeover.callsKey, callsUnderWay))
        }
    }

    /// All generations that can be started, or that workers run.
    private func sendReleases(to keeper: Keeper) throws(StateError) -> Bool {
        let rows = try releases.rows(workers.all.map { $0.generation })
        for row in rows { guard keeper.put(row) else { return false } }
        let known = Set(rows.map { $0.key })
        for key in keeper.keys(Generation.keyPrefix) where !known.contains(key) {
            guard keeper.remove(key) else { return false }
        }
        return true
    }

    private func send(_ id: WorkerID, to keeper: Keeper) throws(StateError) -> Bool {
        let (key, outputKey) = (WorkerProcess.key("\(id.number)"), WorkerProcess.outputKey("\(id.number)"))
        guard let worker = workers[id] else {
            // Its generation may have been kept for it alone.
            ledger.note(.releases)
            return keeper.remove(key) && keeper.remove(outputKey)
        }
        let isRunning = workers.running(pid: worker.pid) === worker
        let rows = try workers.rows(of: worker, notifySockets)
        for row in rows {
            // What it has written last would be sent with each line.
            if row.key == outputKey, keeper.has(outputKey), keeper.count(of: outputKey) == row.descriptors.count {
                continue
            }
            let process = row.key == key && isRunning ? KeptProcess(pid: worker.pid, place: 0) : nil
            guard keeper.put(row, process: process) else { return false }
        }
        return true
    }
}

extension Settings {
    /// Whether workers end with a daemon that is killed.
    var endsOrphans: Bool {
        switch orphans {
        case .keep: false
        case .stop: true
        case .automatic: getpid() == 1 || ControllingTerminal.isThere
        }
    }
}
