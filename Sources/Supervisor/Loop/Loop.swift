// The one loop of the daemon: which descriptors are watched, what each is watched for, and what one wait has returned.
// The loop knows no room: the daemon decides what to do about a source.
internal import CLinux
internal import Glibc
internal import Reloader

final class Loop {
    private var poller: Poller
    private var sources: [Poller.Token: Source] = [:]
    private var batch: [Poller.Token] = []
    private var taken = 0
    /// Takes the bytes of one read, also of files in /proc; its contents are not used after the call that filled it.
    /// Its size bounds what is read from one worker in a turn, so that a worker that floods does not hold up the
    /// others.
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)

    init() throws(SystemError) { poller = try Poller() }

    deinit { buffer.deallocate() }

    /// Watches a channel. Call `unwatch` before the channel is released.
    func watch(
        _ channel: Channel, _ source: Source, _ interest: Poller.Interest = .readable
    ) throws(SystemError) {
        let token = try poller.add(channel.number, interest)
        sources[token] = source
        channel.token = token
    }

    /// Changes what a channel is watched for. Does nothing if the channel is not watched.
    func rewatch(_ channel: Channel, _ interest: Poller.Interest) throws(SystemError) {
        guard let token = channel.token else { return }
        try poller.change(channel.number, interest, token)
    }

    /// Ends `watch`. Does nothing if the channel is not watched.
    func unwatch(_ channel: Channel) throws(SystemError) {
        guard let token = channel.token else { return }
        channel.token = nil
        sources[token] = nil
        try poller.remove(channel.number)
    }

    /// Waits for the next batch, or only takes what is there if not `blocking`. Returns true if more may be waiting
    /// already.
    func wait(blocking: Bool) throws(SystemError) -> Bool {
        taken = 0
        return try poller.wait(into: &batch, blocking: blocking)
    }

    /// The next source of the batch that is ready; nil at the end of the batch. A source that was closed earlier in the
    /// same batch is left out.
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

    /// Reads from a pipe once, into `buffer`, and passes what was read to `body`.
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

/// A descriptor that the loop watches, with the identity under which it is registered. Owns the descriptor. Call
/// `Loop.unwatch` before releasing a channel that is watched.
final class Channel {
    let descriptor: FileDescriptor
    /// nil if not watched.
    var token: Poller.Token?

    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// nil if there is no descriptor.
    convenience init?(_ descriptor: consuming FileDescriptor?) {
        switch consume descriptor {
        case .some(let descriptor): self.init(descriptor)
        case .none: return nil
        }
    }

    var number: Int32 { descriptor.number }
}

/// The one timer of the daemon: a timerfd(2) that is set to the core's next deadline, and disarmed if there is none.
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

    /// Notes an expiry, so that the descriptor is not readable until the timer is armed again.
    mutating func acknowledge() throws(SystemError) {
        var expirations: UInt64 = 0
        let number = channel.number
        _ = try checkedUnlessWouldBlock("read", "timerfd") { read(number, &expirations, 8) }
        armed = nil
    }
}
