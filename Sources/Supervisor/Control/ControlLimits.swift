// The bounds of the control interface: whatever clients do, the daemon's time and memory stay its own.

enum ControlLimits {
    /// More come from a script gone wrong; each costs a descriptor of those that workers need.
    static let clientsMax = 500
    /// Of one request, without its newline. The longest honest one carries a program's arguments.
    static let requestBytesMax = 64 * 1024
    /// What may wait for a client that follows and reads slowly.
    static let followerBytesMax = 256 * 1024
    /// What may wait for all clients together: some answers of the largest pool.
    static let waitingBytesMax = 16 * 1024 * 1024
    /// Of the log's last records as many as this holds are sent: it leaves room in a follower's queue for what comes next.
    static let eventBytesMax = 192 * 1024
    /// Deploys that the history remembers.
    static let historyMax = 256
    /// Of a generation's note, which stands in lines of tables.
    static let noteScalarsMax = 200
    /// A history file that is larger was not written by us.
    static let historyBytesMax = 4 * 1024 * 1024
    /// Lines in one answer to `logs`; of a large pool the last few of each worker.
    static let logLinesMax = 4096
    /// To one that follows, the lines that come before the new ones.
    static let followedLogLinesMax = 256
    /// Descriptors of workers that one `status` looks at, at some 2 µs each: the loop has other work to do.
    static let descriptorsMax = 16_384
}
