// The numbers of the control protocol, for the daemon and the verbs: its version, the ranges of its arguments, and the
// bounds on the time and memory that clients can take from the daemon.
internal import Reloader

public enum ControlLimits {
    /// The version of the protocol.
    public static let version = 1

    // MARK: arguments

    /// Workers: of a scaled pool, of canaries, of a surge.
    public static let workers: ClosedRange<Int> = 1...Policy.workersMax
    /// Slots are counted from 0.
    public static let slots: ClosedRange<Int> = 0...Policy.workersMax - 1
    /// Failed replacements that a reload accepts. 0: the first failure fails the reload.
    public static let failures: ClosedRange<Int> = 0...Policy.workersMax
    /// Entries that `history` returns, at most the deploys that the daemon remembers.
    public static let historyEntries: ClosedRange<Int> = 1...historyMax
    /// The last lines that `logs` and `events` are asked for.
    public static let lines: ClosedRange<Int> = 1...logLinesMax
    /// How far back `logs` and `events` go if they are asked for a time.
    public static let linesSince: ClosedRange<Duration> = .milliseconds(1) ... .seconds(365 * 86_400)
    /// Characters of a generation's note, which stands in lines of tables.
    public static let noteScalarsMax = 200

    // MARK: the daemon's own

    /// Clients at a time. More would come from a script that went wrong, and each costs a descriptor that a worker may
    /// need.
    static let clientsMax = 500
    /// Bytes of one request without its newline. The longest honest request carries a program's arguments.
    static let requestBytesMax = 64 * 1024
    /// Bytes that may wait for one client that follows and reads slowly.
    static let followerBytesMax = 256 * 1024
    /// Bytes that may wait for all clients together: a few answers of the largest pool.
    static let waitingBytesMax = 16 * 1024 * 1024
    /// Bytes of the log's last records that are sent for `events`. Leaves room in a follower's queue for the next ones.
    static let eventBytesMax = 192 * 1024
    /// Deploys that the history remembers.
    static let historyMax = 256
    /// Bytes of the history's file. The daemon never writes a larger one.
    static let historyBytesMax = 4 * 1024 * 1024
    /// Lines in one answer to `logs`: for a large pool, the last few of each worker.
    static let logLinesMax = 4096
    /// Old lines that a client of `logs` gets before the new ones.
    static let followedLogLinesMax = 256
    /// Descriptors of workers that one `status` looks at, at about 2 µs each, because the loop has other work to do.
    static let descriptorsMax = 16_384
}
