// Processes that the kernel has killed because their control group was out of memory: memory.events in v2, memory.oom_control in
// v1. Which processes they were it does not say; a worker that was killed by signal 9 at the same time is taken for one.
internal import Reloader

struct OutOfMemoryKills {
    /// How long a kill that was counted explains the end of a worker: it is counted before the end is seen.
    private static let lasts = Duration.seconds(5)

    private let file: String?
    private var counted: UInt64 = 0
    /// Those that explain nothing yet.
    private var unexplained: UInt64 = 0
    private var seenAt = Instant(nanoseconds: 0)

    /// Of the daemon's own group, in which its workers are.
    init() {
        let files = Cgroup.own(with: "memory").compactMap { group in
            group.directories.first.map { "\($0)/\(group.isUnified ? "memory.events" : "memory.oom_control")" }
        }
        file = files.first { Self.count($0) != nil }
        counted = file.flatMap(Self.count) ?? 0
    }

    /// To be called at each start and end of a worker, so that what is counted meanwhile is known to be new.
    mutating func look() {
        guard let count = file.flatMap(Self.count), count > counted else { return }
        if MonotonicClock.now() - seenAt > Self.lasts { unexplained = 0 }
        unexplained += count - counted
        counted = count
        seenAt = MonotonicClock.now()
    }

    /// A worker was killed by signal 9, and not by the daemon.
    mutating func explainsKill() -> Bool {
        look()
        guard unexplained > 0, MonotonicClock.now() - seenAt <= Self.lasts else { return false }
        unexplained -= 1
        return true
    }

    /// `oom_kill 3`
    private static func count(_ path: String) -> UInt64? {
        ProcFile.lines(path).first { $0.hasPrefix("oom_kill ") }?.split(separator: " ").last.flatMap {
            decimal($0.utf8)
        }
    }
}
