// How far a value may go. Each bound keeps a slip of the finger from becoming a strange daemon.
import Reloader

enum Bounds {
    /// listen(2) takes an int, but the kernel keeps the length in 16 bits in places; no server needs more.
    static let backlog: ClosedRange<Int64> = 1...65_535
    /// The core's own bound on slots.
    static let workers: ClosedRange<Int64> = 1...Int64(Policy.workersMax)
    /// More than all at once is not possible.
    static let surgePercent: ClosedRange<Int64> = 1...100
    /// 0 would be no limit to some and no time to others; SIGKILL a millisecond later is the shortest that means one thing.
    static let stopTimeoutMin = Duration.milliseconds(1)
    /// The daemon measures idle connections in milliseconds. Drains are far shorter than the upper bound, which closes none.
    static let drainIdle = Duration.milliseconds(1)...Duration.seconds(86_400)
    /// A worker needs some time to be executed at all.
    static let readyTimeoutMin = Duration.milliseconds(1)
    /// A worker pings at half of it, and any busy machine holds a process up for some tens of milliseconds.
    static let watchdogMin = Duration.milliseconds(100)
    /// A worker that is replaced the moment it serves never does; a shorter life than this is a slip of the finger.
    static let maxAgeMin = Duration.seconds(1)
    /// No program that serves is smaller.
    static let maxMemoryMin: UInt64 = 1 << 20
    /// 0 would let a crashing program take a whole core.
    static let backoffMin = Duration.milliseconds(1)
    /// The core remembers the time of each.
    static let giveUpFailures: ClosedRange<Int64> = 1...10_000
    static let giveUpPeriodMin = Duration.milliseconds(1)
    /// setpriority(2).
    static let nice: ClosedRange<Int64> = -20...19
    /// The permission bits of umask(2).
    static let umaskMax: UInt32 = 0o777
    /// It stands in each line of the log.
    static let nameBytesMax = 64
    /// execve(2) takes up to 128 KiB; more than this is a script that belongs into a file.
    static let commandBytesMax = 65_536
    /// A shell needs some time to be executed at all. One that runs for hours is no reaction to an event any more.
    static let onEventTimeout = Duration.milliseconds(1)...Duration.seconds(86_400)
    /// PATH_MAX, without its NUL.
    static let pathBytesMax = 4095
    /// How often an option may be given. More comes from a script gone wrong.
    static let repeatsMax = 1024
    /// Far more than all options with a comment each.
    static let configFileBytesMax = 1 << 20
    /// A daemon's default name is that of a file, at most NAME_MAX; a socket's path is much shorter.
    static let daemonNameBytesMax = 255
    /// It stands beside a release wherever that is shown.
    static let noteScalarsMax = 200
    /// The core's own bound on slots, counted from 0.
    static let slots: ClosedRange<Int64> = 0...Int64(Policy.workersMax - 1)
    /// One for each reload, and no daemon sees more.
    static let generations: ClosedRange<Int64> = 1...1_000_000_000
    /// The daemon keeps no more.
    static let historyEntries: ClosedRange<Int64> = 1...256
    /// 0: the first one fails the reload.
    static let failures: ClosedRange<Int64> = 0...Int64(Policy.workersMax)
    /// 0 would be no limit to some and no time to others.
    static let verbTimeoutMin = Duration.milliseconds(1)
    /// 0 would promote before anything can crash.
    static let canaryTimeMin = Duration.milliseconds(1)
}
