// Why a worker does not start: another process has its port, or it does something else instead of becoming ready.
internal import CLinux
internal import Glibc
internal import Reloader

final class StartTrouble {
    /// How long a start may take before it is reported as slow. Most programs listen sooner, and a user who watches a
    /// first start is still there.
    static let slowStart = Duration.seconds(5)

    private let story: Story
    /// Workers that are not ready yet, and when to report that. The daemon does not wake up for workers that are ready.
    private var slowStarts: [WorkerID: Instant] = [:]

    init(_ story: Story) { self.story = story }

    /// For the daemon that comes next: what it is to go on with.
    var state: [WorkerID: Instant] { slowStarts }

    init(_ state: [WorkerID: Instant], _ story: Story) {
        self.story = story
        slowStarts = state
    }

    // MARK: ports that are taken

    /// Reports that a worker's port is taken. A worker that tries again and again is reported once.
    ///
    /// - Parameter daemon: this daemon's own name.
    func tellPortTaken(_ address: ListenAddress, from worker: WorkerProcess, daemon: String) {
        guard worker.portTrouble == nil else { return }
        let holder = PortHolder(of: address)?.words(seenFrom: daemon)
        let who =
            holder ?? "a process that cannot be found (it belongs to another user or namespace, or has just ended)"
        let words = "\(address) is in use by \(who)"
        worker.notePortTrouble(words)
        story.tell(
            .worker(
                .error, "port_in_use", words, worker.slot, worker.generation.number, ReportContext(pid: worker.pid)))
    }

    /// Looks for a refused port in the last lines of a worker that ended before it was ready and whose calls are not
    /// seen.
    ///
    /// - Parameters:
    ///   - listener: one of the listeners of `--listen`.
    ///   - isOneOfMany: whether there are other workers while `--no-share` lets only one have a port.
    func noteRefusedPort(of worker: WorkerProcess, listener: Listener?, isOneOfMany: Bool) {
        guard worker.portTrouble == nil else { return }
        let speaks = worker.output.lines.all(of: WorkerStream.Kind.allCases, fromStart: true).contains { line in
            let line = line.text.lowercased()
            return line.contains("address already in use") || line.contains("eaddrinuse")
        }
        if !speaks { return }
        if let listener {
            worker.notePortTrouble(
                "its last lines report an address in use, and reloaderd itself listens on \(listener.label): drop "
                    + "--listen if the program binds that port itself")
        } else if isOneOfMany {
            worker.notePortTrouble(
                "its last lines report an address in use, and with --no-share only one worker can have a port: drop "
                    + "--no-share, or run one worker")
        }
    }

    // MARK: slow starts

    var nextDeadline: Instant? { slowStarts.values.min() }

    /// Call it when the worker has been started.
    func expectReadiness(of worker: WorkerProcess, by policy: Policy) {
        switch policy.readiness {
        case .message, .listening: break
        case .after: return
        }
        guard policy.readyTimeout > Self.slowStart else { return }
        slowStarts[worker.id] = MonotonicClock.now() + Self.slowStart
    }

    /// Call it when the worker is ready or has ended.
    func isOver(for id: WorkerID) { slowStarts[id] = nil }

    /// Reports workers that are not ready after `slowStart`, which is long before the ready timeout, with what is known
    /// about them.
    ///
    /// - Parameter listeners: the listeners that workers are handed.
    func tellSlowStarts(of workers: Workers, in slots: [Slot], listeners: [Listener]) {
        let now = MonotonicClock.now()
        for id in slowStarts.keys.filter({ slowStarts[$0].map { $0 <= now } ?? false }).sorted() {
            slowStarts[id] = nil
            guard let worker = workers[id], isStarting(worker, in: slots) else { continue }
            story.tell(
                worker.record(
                    .warning, "worker_not_ready",
                    "worker is not ready after \(LogFormatter.seconds(Self.slowStart))s: "
                        + diagnosis(of: worker, listeners)))
        }
    }

    private func isStarting(_ worker: WorkerProcess, in slots: [Slot]) -> Bool {
        guard slots.indices.contains(worker.slot) else { return false }
        let slot = slots[worker.slot]
        return [slot.current, slot.replacement].contains { other in
            guard let other, other.id == worker.id, case .starting = other.state else { return false }
            return true
        }
    }

    /// What the worker does instead of becoming ready.
    private func diagnosis(of worker: WorkerProcess, _ listeners: [Listener]) -> String {
        if ProcessTree.isStopped(worker.pid) { return "it is stopped (kill -CONT \(worker.pid) lets it go on)" }
        let message = "it has sent no READY=1"
        if let trouble = worker.portTrouble { return trouble }
        let tree = ProcessTree.processes(of: worker.pid)
        for process in tree {
            guard let address = listeningAddress(of: process, except: listeners) else { continue }
            let isOwn = process == worker.pid
            let who = isOwn ? "it listens" : "its child (pid \(process)) listens"
            if listeners.isEmpty { return "\(who) on \(address), and \(message)" }
            return "\(who) on \(address) by itself, and \(message); drop --listen if it should bind its own port"
        }
        let children = tree.count - 1
        let others = children == 0 ? "" : ", nor \(children == 1 ? "does its child" : "do its \(children) children")"
        let cure =
            listeners.isEmpty ? "--ready 2s: ready when it has lived that long" : "--ready 2s if it cannot say so"
        if listeners.isEmpty {
            return "it listens on no TCP port\(others), and \(message) (a program without a port: \(cure))"
        }
        return "\(message) to descriptor READY_FD or to NOTIFY_SOCKET (\(cure))"
    }

    /// An address on which the process listens, apart from the daemon's listeners.
    private func listeningAddress(of process: Int32, except listeners: [Listener]) -> ListenAddress? {
        let table: SocketTable
        do throws(SystemError) { table = try SocketTable() } catch { return nil }
        let given = Set(listeners.compactMap { $0.inode })
        let inodes = OpenSockets.all(of: process).map { $0.inode }.filter { !given.contains($0) }
        return table.sockets(inodes).first { $0.listens }.flatMap { ListenAddress($0) }
    }
}
