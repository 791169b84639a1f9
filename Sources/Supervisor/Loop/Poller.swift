// The only user of epoll(7). A registration carries an identity that is never reused, so that an event for a descriptor
// that was closed earlier in the same batch is recognised and dropped, even if its number was reused.
internal import CLinux
internal import Glibc

/// Waits for descriptors. Level-triggered: what isn't read now is reported again.
///
/// | here | the kernel's |
/// | --- | --- |
/// | `readable` | EPOLLIN (errors and hang-ups are always reported, and read as readable) |
/// | `writable` | EPOLLOUT |
/// | `once` | EPOLLONESHOT: reported once, then not until `change` |
/// | `edges` | EPOLLET: reported when it becomes readable, and not again and again |
struct Poller: ~Copyable {
    struct Token: Hashable {
        fileprivate let number: UInt64
    }

    struct Interest: OptionSet {
        let rawValue: UInt32
        static let readable = Interest(rawValue: EPOLLIN.rawValue)
        static let writable = Interest(rawValue: EPOLLOUT.rawValue)
        static let once = Interest(rawValue: EPOLLONESHOT.rawValue)
        static let edges = Interest(rawValue: EPOLLET.rawValue)
    }

    /// How many events one batch holds: enough for a burst, and few enough to come back to the deadlines soon.
    private static let batchMax = 64

    private let descriptor: FileDescriptor
    private var lastNumber: UInt64 = 0
    private var batch = [epoll_event](repeating: epoll_event(), count: batchMax)

    init() throws(SystemError) {
        descriptor = FileDescriptor(owning: try checked("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
    }

    mutating func add(_ number: Int32, _ interest: Interest) throws(SystemError) -> Token {
        lastNumber += 1
        let token = Token(number: lastNumber)
        var event = epoll_event()
        event.events = interest.rawValue
        event.data.u64 = token.number
        let poller = descriptor.number
        try checked("epoll_ctl", "EPOLL_CTL_ADD") { epoll_ctl(poller, EPOLL_CTL_ADD, number, &event) }
        return token
    }

    mutating func change(_ number: Int32, _ interest: Interest, _ token: Token) throws(SystemError) {
        var event = epoll_event()
        event.events = interest.rawValue
        event.data.u64 = token.number
        let poller = descriptor.number
        try checked("epoll_ctl", "EPOLL_CTL_MOD") { epoll_ctl(poller, EPOLL_CTL_MOD, number, &event) }
    }

    /// Call it before the descriptor is closed: a duplicate of it elsewhere would keep the registration alive.
    mutating func remove(_ number: Int32) throws(SystemError) {
        var unused = epoll_event()
        let poller = descriptor.number
        try checked("epoll_ctl", "EPOLL_CTL_DEL") { epoll_ctl(poller, EPOLL_CTL_DEL, number, &unused) }
    }

    /// Waits for the next batch (or only takes what is there, if not `blocking`) and stores its tokens. Returns true if
    /// more may be waiting already.
    mutating func wait(into tokens: inout [Token], blocking: Bool) throws(SystemError) -> Bool {
        tokens.removeAll(keepingCapacity: true)
        let poller = descriptor.number
        let count = try checked("epoll_wait") { epoll_wait(poller, &batch, Int32(Self.batchMax), blocking ? -1 : 0) }
        for index in 0..<Int(count) { tokens.append(Token(number: batch[index].data.u64)) }
        return Int(count) == Self.batchMax
    }
}
