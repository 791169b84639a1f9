/// What the user chose: the numbers that the rules of this module work with. Defaults are those of the command line.
///
/// A reload may bring a new policy; it holds from that event on, whatever becomes of the roll.
public struct Policy: Equatable, Sendable {
    /// How many slots one pool may have: bounds memory and descriptors long before the kernel does.
    public static let workersMax = 4096

    /// How many draining workers may linger in one slot (of this roll and of earlier ones) before its next replacement
    /// waits for one of them to end. Bounds the processes that quick reloads with slow drains can pile up.
    public static let lingeringMax = 3

    /// Within this time two graceful stops are one request: a key at a terminal, a shell and timeout(1) all pass on what one
    /// person wanted. Long enough for them, and shorter than anybody is impatient.
    public static let sameStop = Duration.milliseconds(500)

    /// A worker that takes too much memory sooner than this after it was ready, in place of one that did, does so from its
    /// start: another would be no better.
    public static let memoryYouth = Duration.seconds(60)

    /// How long such a worker stays: doubles with each one in a row.
    public static let memoryBackoffBase = Duration.seconds(60)
    public static let memoryBackoffCap = Duration.seconds(3600)

    /// Slots in the pool, 1 ... `workersMax`.
    public var workers = 1
    /// How many replacements a roll has in flight at once, at least 1; nil: 25 % of the workers, rounded up.
    public var surge: Int?
    /// How long a replacement must stay ready before its old worker is asked to finish.
    public var soak: Duration = .zero
    public var readiness: Readiness = .message
    /// How long a worker may take from one port that it listens on to the next, before it is ready with fewer than are
    /// expected of it: a new version may well have fewer. The command line has no option for it.
    public var portsPatience: Duration = .seconds(1)
    /// A worker that is not ready this long after its start has failed to start.
    public var readyTimeout: Duration = .seconds(60)
    public var drain: Drain = .signal
    /// From the stop signal to SIGKILL; for a worker that is emptied first, from the end of that.
    public var stopTimeout: Duration = .seconds(30)
    /// Delay after the first failure in a row; doubles with each further one.
    public var backoffBase: Duration = .milliseconds(100)
    public var backoffCap: Duration = .seconds(30)
    /// A worker that was ready this long is healthy: its death restarts it at once and forgets earlier failures.
    public var backoffReset: Duration = .seconds(10)
    /// nil: never.
    public var giveUp: GiveUp?
    /// A ready worker that is silent this long is replaced by a new one, and killed; nil: not watched.
    public var watchdog: Duration?
    /// A worker that has been ready this long, ± 10 % by chance, is replaced by a new one of its generation; nil: never.
    /// Holds for workers started under it.
    public var maxAge: Duration?
    /// How many generations that once served every slot are kept for a rollback, the one that does so now among them. At
    /// least 1.
    public var generationsKept = 4

    public init() {}

    /// A surge with its default filled in: 1 ... `workers`; one above `workers` has nothing more to start.
    func effective(_ surge: Int?) -> Int { max(1, min(surge ?? (workers + 3) / 4, workers)) }
}

/// What makes a starting worker ready. A ready message counts in every mode.
public enum Readiness: Equatable, Sendable {
    /// Only its ready message.
    case message
    /// That it listens, on all ports that are expected of it, or on some when `Policy.portsPatience` is over.
    case listening
    /// Having lived this long (for programs that cannot say it).
    case after(Duration)
}

/// How a worker that serves is asked to finish.
public enum Drain: Equatable, Sendable {
    /// By its stop signal, at once: it drains its connections itself.
    case signal
    /// It is emptied first (`Effect.empty`): its connections are taken from it; the stop signal comes when they are gone,
    /// or after `timeout`. For programs that die of the signal with whatever they are about. A later policy changes nothing for
    /// a worker that is already being emptied.
    case outside(timeout: Duration)
}

/// `--give-up`: the daemon ends when `failures` worker failures lie within `period`.
public struct GiveUp: Equatable, Sendable {
    /// At least 1.
    public var failures: Int
    public var period: Duration

    public init(failures: Int, within period: Duration) {
        self.failures = failures
        self.period = period
    }
}
