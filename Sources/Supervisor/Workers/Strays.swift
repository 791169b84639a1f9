// Workers that a dead daemon has started and that are in no row of a worker: they were being set up, or it died before
// it could tell its keeper of them. The latter are found by their NOTIFY_SOCKET: the file is there, as those of workers
// that are gone are not, and no known worker has it. They end like any worker.
internal import CLinux
internal import Glibc
internal import Reloader

/// How a stray is recognised.
struct StraySearch {
    /// What its NOTIFY_SOCKET begins with: the directories of the dead daemon.
    let directories: [String]
}

final class Strays {
    /// One that was asked to finish.
    private struct Stray {
        let pid: Int32
        let exit: Channel
        let killAt: Instant
    }

    private let buffer: UnsafeMutableRawBufferPointer
    private var ending: [Stray] = []
    /// What the strays write to: kept open until they have ended, or had time to.
    private var pipes: [Channel] = []

    /// - Parameter buffer: scratch space for files of /proc.
    init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

    /// Asks the processes to finish that the dead daemon was setting up, and returns their PIDs. Some of them may serve
    /// already.
    func end(_ rows: StateRows, killAfter timeout: Duration) throws(StateError) -> [Int32] {
        guard rows.has(Starts.key) else { return [] }
        let upper = FileDescriptor.upperNumbers
        let processes = try rows.value(Starts.State.self, Starts.key).processes
        for process in processes {
            for place in process.pipes {
                pipes.append(Channel(try rows.descriptor(place, of: Starts.key, from: upper)))
            }
            let exit = Channel(try rows.descriptor(process.exit, of: Starts.key, from: upper))
            ask(process.pid, exit, killAfter: timeout)
        }
        return processes.map { $0.pid }
    }

    /// Returns false if the process has ended.
    @discardableResult
    private func ask(_ pid: Int32, _ exit: Channel, killAfter timeout: Duration) -> Bool {
        guard rl_signal(exit.number, SIGTERM) == 0 else { return false }
        _ = rl_signal(exit.number, SIGCONT)
        ending.append(Stray(pid: pid, exit: exit, killAt: MonotonicClock.now() + timeout))
        return true
    }

    /// Asks all strays to finish, and returns their PIDs.
    func end(
        _ search: StraySearch, known workers: Workers, _ terms: OrphanTerms, killAfter timeout: Duration
    ) -> [Int32] {
        if search.directories.isEmpty { return [] }
        let known = Set(workers.all.map { $0.notifyAddress })
        return ProcessTree.all.filter { pid in
            // A worker leads a session of its own, and what it has started is its own affair.
            let isEnding = ending.contains { $0.pid == pid }
            guard !isEnding, getsid(pid) == pid, isStray(pid, search, known, terms) else { return false }
            let number = rl_pidfd_open(pid)
            if number < 0 { return false }
            let exit = Channel(FileDescriptor(owning: number).moved())
            // While the pidfd is held, the PID can't go to another process.
            return isStray(pid, search, known, terms) && ask(pid, exit, killAfter: timeout)
        }
    }

    private func isStray(_ pid: Int32, _ search: StraySearch, _ known: Set<String>, _ terms: OrphanTerms) -> Bool {
        guard let path = terms.variable("NOTIFY_SOCKET", pid) else { return false }
        return search.directories.contains { path.hasPrefix("\($0)/") } && !known.contains(path)
            && access(path, F_OK) == 0
    }

    /// When the next one is killed, on the monotonic clock; nil: none is left.
    var nextDeadline: Instant? { ending.lazy.map { $0.killAt }.min() }

    /// Kills those whose time is up.
    func look() {
        let now = MonotonicClock.now()
        for stray in ending where stray.killAt <= now {
            // A number whose process is gone may be another's.
            if rl_signal(stray.exit.number, 0) == 0 { _ = rl_kill_with_group(stray.exit.number, stray.pid) }
        }
        ending.removeAll { $0.killAt <= now }
        if ending.isEmpty { pipes = [] }
    }
}
