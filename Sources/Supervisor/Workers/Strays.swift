// Workers that a dead daemon has started and that nobody knows of: it died before it could tell its keeper. They are
// found by their NOTIFY_SOCKET, which no other process has but what they have started, and end like any worker.
internal import CLinux
internal import Glibc
internal import Reloader

/// How a stray is recognised.
struct StraySearch {
    /// What its NOTIFY_SOCKET begins with: the directory of the dead daemon.
    let directories: [String]
    /// The number of the last socket that the dead daemon's keeper knew of.
    let lastNumber: Int
}

final class Strays {
    /// One that was asked to finish.
    private final class Stray {
        let exit: Channel
        let killAt: Instant

        init(_ exit: Channel, killAt: Instant) {
            self.exit = exit
            self.killAt = killAt
        }
    }

    private let buffer: UnsafeMutableRawBufferPointer
    private var ending: [Stray] = []

    /// - Parameter buffer: scratch space for files of /proc.
    init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

    /// Asks all strays to finish, and returns their PIDs.
    func end(_ search: StraySearch, known workers: Workers, killAfter timeout: Duration) -> [Int32] {
        if search.directories.isEmpty { return [] }
        return ProcessTree.all.filter { pid in
            guard pid != getpid(), workers.running(pid: pid) == nil, isStray(pid, search) else { return false }
            let number = rl_pidfd_open(pid)
            if number < 0 { return false }
            let exit = Channel(FileDescriptor(owning: number).moved())
            // While the pidfd is held, the PID can't go to another process.
            guard isStray(pid, search), rl_signal(exit.number, SIGTERM) == 0 else { return false }
            ending.append(Stray(exit, killAt: MonotonicClock.now() + timeout))
            return true
        }
    }

    private func isStray(_ pid: Int32, _ search: StraySearch) -> Bool {
        let prefix = "NOTIFY_SOCKET="
        for entry in ProcessTree.environment(of: pid) {
            let text = String(decoding: entry, as: UTF8.self)
            guard text.hasPrefix(prefix) else { continue }
            let path = text.dropFirst(prefix.count)
            return search.directories.contains { directory in
                guard path.hasPrefix("\(directory)/") else { return false }
                return Int(path.dropFirst(directory.utf8.count + 1)).map { $0 > search.lastNumber } ?? false
            }
        }
        return false
    }

    /// When the next one is killed, on the monotonic clock; nil: none is left.
    var nextDeadline: Instant? { ending.lazy.map { $0.killAt }.min() }

    /// Kills those whose time is up.
    func look() {
        let now = MonotonicClock.now()
        for stray in ending where stray.killAt <= now { _ = rl_signal(stray.exit.number, SIGKILL) }
        ending.removeAll { $0.killAt <= now }
    }
}
