// What is heard of workers: their messages, and their end.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    /// Datagrams read from one worker in a turn.
    private static let turnDatagrams = 16

    // MARK: its messages

    func readReadyPipe(of worker: WorkerProcess) throws(SystemError) {
        guard let pipe = worker.readyPipe else { return }
        var messages: [WorkerMessage] = []
        let end = try loop.read(pipe) { bytes in
            worker.readyLines.feed(bytes) { line in
                if let message = WorkerMessage(line: line, emptyMeansReady: true) { messages.append(message) }
            }
        }
        for message in messages { heard(message, from: worker) }
        if end == .reached {
            try loop.unwatch(pipe)
            worker.readyPipe = nil
        }
    }

    func readNotifySocket(of worker: WorkerProcess) throws(SystemError) {
        for _ in 0..<Self.turnDatagrams {
            guard let datagram = try NotifySocket.receive(worker.notifySocket.number) else { return }
            guard isTrusted(datagram.sender, worker) else { continue }
            for line in datagram.bytes.split(separator: UInt8(ascii: "\n")) {
                if let message = WorkerMessage(line: line, emptyMeansReady: false) { heard(message, from: worker) }
            }
        }
    }

    /// The daemon's own user, root, and the user that workers run as may speak for a worker.
    private func isTrusted(_ sender: UInt32, _ worker: WorkerProcess) -> Bool {
        sender == 0 || sender == geteuid() || sender == worker.generation.program.user?.userID
    }

    private func heard(_ message: WorkerMessage, from worker: WorkerProcess) {
        switch message {
        case .ready: handle(.ready(worker.id))
        case .heartbeat: handle(.heartbeat(worker.id))
        case .stopping: handle(.stopping(worker.id))
        case .extendTimeout(let duration): handle(.extendTimeout(worker.id, by: duration))
        case .status(let text):
            if text == worker.status { return }
            worker.status = text
            tellStatus(worker)
        }
    }

    // MARK: its end

    func workerExited(_ worker: WorkerProcess) throws(SystemError) {
        let id = worker.id
        guard workersByPID[worker.pid] == id else { return }
        var exit = rl_exit()
        let number = worker.exit.number
        // Reaped only when all that it has left is known: until then its number can't be anybody else's.
        try checked("waitid", "pid \(worker.pid)") { rl_peek_pidfd(number, &exit) }
        if exit.pid == 0 { return }  // not yet
        workersByPID[worker.pid] = nil
        findLeftovers(of: worker)
        // What can't be seen can't be waited for.
        if !adopted.areVisible { _ = rl_signal_group(number, worker.pid, SIGKILL) }
        try checked("waitid", "pid \(worker.pid)") { rl_reap_pidfd(number, &exit) }
        let status = ExitStatus(exit)
        outOfMemoryKills.look()
        if case .signaled(SIGKILL, _) = status, worker.killedAt == nil {
            worker.wasOutOfMemory = outOfMemoryKills.explainsKill()
        }

        // Its last words count before its end: a worker may be ready and gone in one breath.
        try readReadyPipe(of: worker)
        try readNotifySocket(of: worker)
        if worker.left.isEmpty { try readLastWords(of: worker) } else { try readWordsSoFar(of: worker) }
        letGoOfPorts(worker)
        if !worker.left.isEmpty { leaving.insert(id) }
        handle(.exited(id, status, leaves: !worker.left.isEmpty))
        try loop.unwatch(worker.exit)
        if worker.left.isEmpty { try forget(worker) }
    }

    /// Nothing is left of it.
    func forget(_ worker: WorkerProcess) throws(SystemError) {
        try readLastWords(of: worker)
        for channel in worker.channels { try loop.unwatch(channel) }
        workers[worker.id] = nil
        memoryGauge.forget(worker.id)
        pastWorkers.ended(worker)
        closeListenersIfGone(worker.slot)
        control.descriptorIsFree()
    }

    /// Reaps what was handed to us as subreaper or PID 1, and the workers that are gone; and hears who is stopped.
    func reapChildren() throws(SystemError) {
        try noteStops()
        while true {
            var exit = rl_exit()
            try checked("waitid") { rl_peek_child(&exit) }
            if exit.pid == 0 { break }
            if let worker = workersByPID[exit.pid].flatMap({ workers[$0] }) {
                try workerExited(worker)
            } else if let hook = hooks.process(exit.pid) {
                try hookExited(hook)
            } else {
                let orphan = exit.pid
                try checked("waitid", "pid \(orphan)") { rl_reap_child(orphan, &exit) }
            }
        }
        try lookAtLeftovers()
    }

    /// A worker that is stopped (SIGSTOP, a debugger's leave) gets no new connections while that lasts.
    private func noteStops() throws(SystemError) {
        while true {
            var stop = rl_stop()
            try checked("waitid") { rl_next_stop_or_go_on(&stop) }
            if stop.pid == 0 { return }
            guard let worker = workersByPID[stop.pid].flatMap({ workers[$0] }) else { continue }
            let signal = stop.signal == 0 ? nil : stop.signal
            if worker.stoppedBy == signal { continue }
            worker.stoppedBy = signal
            steer()
            tellStop(of: worker)
        }
    }
}

extension ExitStatus {
    init(_ exit: rl_exit) {
        self = exit.signaled ? .signaled(exit.status, coreDumped: exit.core_dumped) : .exited(code: exit.status)
    }
}
