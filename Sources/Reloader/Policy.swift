/// What the user chose: the numbers that this module's rules work with. Defaults are those of the command line.
///
/// A reload may bring a new policy; it applies from that event on, whatever becomes of the roll.
public struct Policy: Codable, Equatable, Sendable {
    /// How many slots a pool may have: this bounds memory and descriptors long before the kernel does.
    public static let workersMax = 4096

    /// How many draining workers may linger in one slot (from this roll and earlier ones) before its next replacement
    /// waits for one of them to end. Bounds the number of processes that quick reloads with slow drains can pile up.
    public static let lingeringMax = 3

    /// Two graceful stops within this time are one request: a key press at a terminal, a shell and timeout(1) all pass
    /// on the same person's wish. Long enough for them, and shorter than a person's impatience.
    public static let sameStop = Duration.milliseconds(500)

    /// A worker that exceeds its memory limit sooner than this after it was ready, in place of one that did so too,
    /// uses that much from its start: another worker would be no better.
    public static let memoryYouth = Duration.seconds(60)

    /// How long such a worker stays. Doubles with each one in a row.
    public static let memoryBackoffBase = Duration.seconds(60)
    public static let memoryBackoffCap = Duration.seconds(3600)

    /// Slots in the pool, 1 ... `workersMax`.
    public var workers = 1
    /// How many replacements a roll has in flight at once, at least 1; nil: 25 % of the workers, rounded up.
    public var surge: Int?
    /// How long a replacement must stay ready before its old worker is asked to finish.
    public var soak: Duration = .zero
    public var readiness: Readiness = .message
    /// How long a worker may take from one port that it begins to listen on to the next, before it becomes ready with
    /// fewer ports than are expected of it: a new version may really have fewer. No command-line option sets it.
    public var portsPatience: Duration = .seconds(1)
    /// A worker that is not ready this long after its start has failed to start.
    public var readyTimeout: Duration = .seconds(60)
    public var drain: Drain = .signal
    /// Time from the stop signal to SIGKILL. For a worker that is emptied first, it counts from the end of emptying.
    public var stopTimeout: Duration = .seconds(30)
    /// The delay after the first failure in a row (none if that was the failure of a worker that had served). Doubles
    /// with each further one.
    public var backoffBase: Duration = .milliseconds(100)
    public var backoffCap: Duration = .seconds(30)
    /// A worker that was ready this long is healthy: if it dies, it is restarted at once and earlier failures are
    /// forgotten.
    public var backoffReset: Duration = .seconds(10)
    /// nil: the daemon never gives up.
    public var giveUp: GiveUp?
    /// A ready worker that is silent for this long is replaced by a new one and killed. nil: workers are not watched.
    public var watchdog: Duration?
    /// A worker that has been ready this long, ± 10 % by chance, is replaced by a new one of its generation. nil:
    /// never. Applies to workers started under this policy.
    public var maxAge: Duration?
    /// How many of the generations that once served every slot are kept for a rollback, including the current one. At
    /// least 1.
    public var generationsKept = 4

    public init() {}

    /// The surge, with its default filled in: 1 ... `workers`. A surge above `workers` has nothing more to start.
    func effective(_ surge: Int?) -> Int { max(1, min(surge ?? (workers + 3) / 4, workers)) }
}

/// What makes a starting worker ready. A ready message counts in every mode.
public enum Readiness: Codable, Equatable, Sendable {
    /// Only its ready message.
    case message
    /// Listening on all the ports that are expected of the worker, or on some of them when `Policy.portsPatience` is
    /// over.
    case listening
    /// Having lived this long (for programs that cannot say that they are ready).
    case after(Duration)

    /// nil: not needed.
    var age: Duration? {
        switch self {
        case .message, .listening: nil
        case .after(let age): age
        }
    }
}

/// How a worker that serves is asked to finish.
public enum Drain: Codable, Equatable, Sendable {
    /// By its stop signal, at once: the worker drains its connections itself.
    case signal
    /// The worker is emptied first (`Effect.empty`): its connections are taken from it, and the stop signal comes when
    /// they are gone, or after `timeout`. For programs that simply die on the signal. A later policy changes nothing
    /// for a worker that is already being emptied.
    case outside(timeout: Duration)
}

/// `--give-up`: the daemon ends if `failures` worker failures lie within `period`.
public struct GiveUp: Codable, Equatable, Sendable {
    /// At least 1.
    public var failures: Int
    public var period: Duration

    public init(failures: Int, within period: Duration) {
        self.failures = failures
        self.period = period
    }
}
