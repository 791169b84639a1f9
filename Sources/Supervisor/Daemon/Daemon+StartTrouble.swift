// Why a worker does not start: a port that somebody else has, and what it does instead of becoming ready.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    /// Most programs listen within it, and who watches a first start has not gone for coffee yet.
    static let slowStart = Duration.seconds(5)

    // MARK: ports that are taken

    /// A worker that binds again and again is told of once.
    func tellPortTaken(_ address: ListenAddress, from worker: WorkerProcess) {
        guard worker.portTrouble == nil else { return }
        let holder = PortHolder(of: address)?.words(seenFrom: settings.daemonName)
        let who = holder ?? "a process that cannot be found (of another user or namespace, or it has just ended)"
        let words = "\(address) is in use by \(who)"
        worker.portTrouble = words
        story.tell(
            .worker(
                .error, "port_in_use", words, worker.slot, worker.generation.number, ReportContext(pid: worker.pid)))
    }

    /// Calls of workers are only seen where ports are shared; elsewhere their last lines tell.
    func noteRefusedPort(of id: WorkerID) {
        guard !ports.supply.isShared, let worker = workers[id], worker.portTrouble == nil else { return }
        let speaks = worker.output.lines.all(of: WorkerStream.Kind.allCases, fromStart: true).contains { line in
            let line = line.text.lowercased()
            return line.contains("address already in use") || line.contains("eaddrinuse")
        }
        if !speaks { return }
        if let listener = ports.listeners.first {
            worker.portTrouble =
                "its last lines speak of an address in use, and reloaderd itself listens on \(listener.label): drop --listen "
                + "if the program binds that port itself"
        } else if !settings.sharesPorts, pool.policy.workers > 1 {
            worker.portTrouble =
                "its last lines speak of an address in use, and with --no-share only one worker can have a port: drop "
                + "--no-share, or run one worker"
        }
    }

    // MARK: slow starts

    var nextSlowStart: Instant? { slowStarts.values.min() }

    /// To be called when a worker has been started.
    func expectReadiness(of worker: WorkerProcess) {
        guard case .message = pool.policy.readiness, pool.policy.readyTimeout > Self.slowStart else { return }
        slowStarts[worker.id] = MonotonicClock.now() + Self.slowStart
    }

    /// Long before the ready timeout is over: what is known of a worker that is not ready by then.
    func tellSlowStarts() {
        let now = MonotonicClock.now()
        for id in slowStarts.keys.filter({ slowStarts[$0].map { $0 <= now } ?? false }).sorted() {
            slowStarts[id] = nil
            guard let worker = workers[id], isStarting(worker) else { continue }
            story.tell(
                .worker(
                    .warning, "worker_not_ready",
                    "worker is not ready after \(LogFormatter.seconds(Self.slowStart))s: \(diagnosis(of: worker))",
                    worker.slot, worker.generation.number, context(of: worker.id)))
        }
    }

    private func isStarting(_ worker: WorkerProcess) -> Bool {
        guard pool.slots.indices.contains(worker.slot) else { return false }
        let slot = pool.slots[worker.slot]
        return [slot.current, slot.replacement].contains { other in
            guard let other, other.id == worker.id, case .starting = other.state else { return false }
            return true
        }
    }

    /// What it does instead.
    private func diagnosis(of worker: WorkerProcess) -> String {
        if ProcessTree.isStopped(worker.pid) { return "it is stopped (kill -CONT \(worker.pid) lets it go on)" }
        let message = "it has sent no READY=1"
        if let trouble = worker.portTrouble { return trouble }
        let tree = ProcessTree.processes(of: worker.pid)
        for process in tree {
            guard let address = listeningAddress(of: process) else { continue }
            let isOwn = process == worker.pid
            let who = isOwn ? "it listens" : "its child (pid \(process)) listens"
            if ports.listeners.isEmpty { return "\(who) on \(address), and \(message)" }
            return "\(who) on \(address) by itself, and \(message); drop --listen if it is to bind its own port"
        }
        let children = tree.count - 1
        let others = children == 0 ? "" : ", nor \(children == 1 ? "does its child" : "do its \(children) children")"
        let cure =
            ports.listeners.isEmpty ? "--ready 2s: ready when it has lived that long" : "--ready 2s if it cannot say so"
        if ports.listeners.isEmpty {
            return "it listens on no TCP port\(others), and \(message) (a program without a port: \(cure))"
        }
        return "\(message) to descriptor READY_FD or to NOTIFY_SOCKET (\(cure))"
    }

    /// Not one that the daemon has given it.
    private func listeningAddress(of process: Int32) -> ListenAddress? {
        let table: SocketTable
        do throws(SystemError) { table = try SocketTable() } catch { return nil }
        let given = Set(ports.listeners.compactMap { $0.inode })
        let inodes = OpenSockets.all(of: process).map { $0.inode }.filter { !given.contains($0) }
        return table.sockets(inodes).first { $0.listens }.flatMap { ListenAddress($0) }
    }
}
