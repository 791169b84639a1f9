// Why a worker does not start: a port that somebody else has, and what it does instead of becoming ready.
internal import CLinux
internal import Glibc
internal import Reloader

final class StartTrouble {
    /// Most programs listen within it, and who watches a first start has not gone for coffee yet.
    static let slowStart = Duration.seconds(5)

    private let story: Story
    /// Workers that are not ready yet, and when that is worth telling. Nobody is woken for one that is.
    private var slowStarts: [WorkerID: Instant] = [:]

    init(_ story: Story) { self.story = story }

    // MARK: ports that are taken

    /// A worker that binds again and again is told of once.
    ///
    /// - Parameter daemon: this daemon's own name.
    func tellPortTaken(_ address: ListenAddress, from worker: WorkerProcess, daemon: String) {
        guard worker.portTrouble == nil else { return }
        let holder = PortHolder(of: address)?.words(seenFrom: daemon)
        let who = holder ?? "a process that cannot be found (of another user or namespace, or it has just ended)"
        let words = "\(address) is in use by \(who)"
        worker.portTrouble = words
        story.tell(
            .worker(
                .error, "port_in_use", words, worker.slot, worker.generation.number, ReportContext(pid: worker.pid)))
    }

    /// The worker has ended before it was ready, and nobody has seen its calls: its last lines tell.
    ///
    /// - Parameters:
    ///   - listener: one of `--listen`.
    ///   - isOneOfMany: there are other workers, and `--no-share` lets only one have a port.
    func noteRefusedPort(of worker: WorkerProcess, listener: Listener?, isOneOfMany: Bool) {
        guard worker.portTrouble == nil else { return }
        let speaks = worker.output.lines.all(of: WorkerStream.Kind.allCases, fromStart: true).contains { line in
            let line = line.text.lowercased()
            return line.contains("address already in use") || line.contains("eaddrinuse")
        }
        if !speaks { return }
        if let listener {
            worker.portTrouble =
                "its last lines speak of an address in use, and reloaderd itself listens on \(listener.label): drop "
                + "--listen if the program binds that port itself"
        } else if isOneOfMany {
            worker.portTrouble =
                "its last lines speak of an address in use, and with --no-share only one worker can have a port: drop "
                + "--no-share, or run one worker"
        }
    }

    // MARK: slow starts

    var nextDeadline: Instant? { slowStarts.values.min() }

    /// The worker has been started.
    func expectReadiness(of worker: WorkerProcess, by policy: Policy) {
        switch policy.readiness {
        case .message, .listening: break
        case .after: return
        }
        guard policy.readyTimeout > Self.slowStart else { return }
        slowStarts[worker.id] = MonotonicClock.now() + Self.slowStart
    }

    /// The worker is ready, or has ended.
    func isOver(for id: WorkerID) { slowStarts[id] = nil }

    /// Long before the ready timeout is over: what is known of a worker that is not ready by then.
    ///
    /// - Parameter listeners: those that workers are handed.
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

    /// What it does instead.
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
            return "\(who) on \(address) by itself, and \(message); drop --listen if it is to bind its own port"
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

    /// Not one that the daemon has given it.
    private func listeningAddress(of process: Int32, except listeners: [Listener]) -> ListenAddress? {
        let table: SocketTable
        do throws(SystemError) { table = try SocketTable() } catch { return nil }
        let given = Set(listeners.compactMap { $0.inode })
        let inodes = OpenSockets.all(of: process).map { $0.inode }.filter { !given.contains($0) }
        return table.sockets(inodes).first { $0.listens }.flatMap { ListenAddress($0) }
    }
}
