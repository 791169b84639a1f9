// The one loop of the daemon: which descriptors are watched, what each is watched for, and what has come of one wait. Knows
// no room: what is to be done about a source is the daemon's to say.
internal import CLinux
internal import Glibc
internal import Reloader

final class Loop {
    private var poller: Poller
    private var sources: [Poller.Token: Source] = [:]
    private var batch: [Poller.Token] = []
    private var taken = 0
    /// For what one read yields, and for the files of /proc; nothing in it outlives the call that fills it. Its size is what
    /// one worker may say in a turn: one that floods is read in turns like everybody else.
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)

    init() throws(SystemError) { poller = try Poller() }

    deinit { buffer.deallocate() }

    /// Must be ended by `unwatch` before the channel is dropped.
    func watch(
        _ channel: Channel, _ source: Source, _ interest: Poller.Interest = .readable
    ) throws(SystemError) {
        let token = try poller.add(channel.number, interest)
        sources[token] = source
        channel.token = token
    }

    /// Changes what a channel is watched for. Does nothing to one that is not watched.
    func rewatch(_ channel: Channel, _ interest: Poller.Interest) throws(SystemError) {
        guard let token = channel.token else { return }
        try poller.change(channel.number, interest, token)
    }

    /// Does nothing to a channel that is not watched.
    func unwatch(_ channel: Channel) throws(SystemError) {
        guard let token = channel.token else { return }
        channel.token = nil
        sources[token] = nil
        try poller.remove(channel.number)
    }

    /// Waits for the next batch, or takes what there is; yields true if more may be waiting already.
    func wait(blocking: Bool) throws(SystemError) -> Bool {
        taken = 0
        return try poller.wait(into: &batch, blocking: blocking)
    }

    /// The next source of the batch that has something to say; nil at its end. A source that was closed earlier in the same
    /// batch is left out.
    func next() -> Source? {
        while taken < batch.count {
            defer { taken += 1 }
            if let source = sources[batch[taken]] { return source }
        }
        return nil
    }

    // MARK: reading

    enum End {
        case reached
        case empty
        case more
    }

    /// Reads from a pipe once, into `buffer`. A read that fails for good is thrown.
    func read(_ channel: Channel, _ body: (UnsafeRawBufferPointer) -> Void) throws(SystemError) -> End {
        let number = channel.number
        let count = try checkedUnlessWouldBlock("read", "a worker's pipe") {
            Glibc.read(number, buffer.baseAddress, buffer.count)
        }
        guard let count else { return .empty }
        if count == 0 { return .reached }
        body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        return .more
    }
}

/// A descriptor that the loop watches, with the identity under which it is registered.
///
/// Owns the descriptor. Whoever drops it while it is watched must have removed it from the poller (`Loop.unwatch`).
final class Channel {
    let descriptor: FileDescriptor
    /// nil: not watched.
    var token: Poller.Token?

    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// nil where there is none.
    convenience init?(_ descriptor: consuming FileDescriptor?) {
        switch consume descriptor {
        case .some(let descriptor): self.init(descriptor)
        case .none: return nil
        }
    }

    var number: Int32 { descriptor.number }
}

/// The one timer of the daemon: a timerfd(2) that is set to the core's next deadline, and disarmed when there is none.
struct DeadlineTimer: ~Copyable {
    /// Readable when the deadline has come.
    let channel: Channel
    private var armed: Instant?

    init() throws(SystemError) {
        channel = Channel(
            FileDescriptor(
                owning: try checked("timerfd_create") {
                    timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC | TFD_NONBLOCK))
                }))
    }

    /// Makes the descriptor readable at `deadline`, or never.
    mutating func arm(_ deadline: Instant?) throws(SystemError) {
        if deadline == armed { return }
        var setting = itimerspec()
        if let deadline {
            // Zero would disarm it; an instant at or before now fires at once.
            let nanoseconds = max(1, deadline.nanoseconds)
            setting.it_value.tv_sec = time_t(nanoseconds / 1_000_000_000)
            setting.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
        }
        let number = channel.number
        try checked("timerfd_settime") { timerfd_settime(number, Int32(TFD_TIMER_ABSTIME), &setting, nil) }
        armed = deadline
    }

    /// Takes notice of an expiry, so that the descriptor is quiet until it is armed again.
    mutating func acknowledge() throws(SystemError) {
        var expirations: UInt64 = 0
        let number = channel.number
        _ = try checkedUnlessWouldBlock("read", "timerfd") { read(number, &expirations, 8) }
        armed = nil
    }
}
