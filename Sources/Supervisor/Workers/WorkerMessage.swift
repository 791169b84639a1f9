// What workers say, on the ready pipe or the notify socket, and the socket itself: the sd_notify(3) server side, with a
// datagram socket per worker, so that no PID has to be matched.
internal import CLinux
internal import Glibc
internal import Reloader

/// sd_notify(3)'s assignments, and a bare newline (s6).
enum WorkerMessage: Equatable {
    case ready
    case heartbeat
    case stopping
    case status(String)
    case extendTimeout(Duration)

    /// Bytes of a STATUS= that are kept: it is one line of a table.
    static let statusBytesMax = 256

    /// One line without its newline; nil for what is none of our business, which is ignored as sd_notify(3) asks.
    init?(line: some Collection<UInt8>, emptyMeansReady: Bool) {
        if line.isEmpty {
            guard emptyMeansReady else { return nil }
            self = .ready
            return
        }
        guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        let value = line[line.index(after: equals)...]
        switch String(decoding: line[..<equals], as: UTF8.self) {
        case "READY":
            guard value.elementsEqual([UInt8(ascii: "1")]) else { return nil }
            self = .ready
        case "WATCHDOG":
            guard value.elementsEqual([UInt8(ascii: "1")]) else { return nil }
            self = .heartbeat
        case "STOPPING":
            guard value.elementsEqual([UInt8(ascii: "1")]) else { return nil }
            self = .stopping
        case "STATUS":
            self = .status(String(decoding: value.prefix(Self.statusBytesMax), as: UTF8.self))
        case "EXTEND_TIMEOUT_USEC":
            guard let microseconds = Int64(String(decoding: value.prefix(20), as: UTF8.self)), microseconds > 0 else {
                return nil
            }
            self = .extendTimeout(
                .nanoseconds(microseconds.multipliedReportingOverflow(by: 1000).overflow ? .max : microseconds * 1000))
        default:
            return nil
        }
    }
}

struct NotifySocket: ~Copyable {
    /// Bytes of one datagram that are looked at; longer ones are cut, as systemd cuts them.
    static let datagramBytesMax = 4096

    let descriptor: FileDescriptor
    /// What NOTIFY_SOCKET says: an abstract address, reachable after chroot(2) and gone with the socket. Its name can't be
    /// guessed, and senders are checked by uid as well.
    let address: String

    init() throws(SystemError) {
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = FileDescriptor(owning: try checked("socket", "AF_UNIX") { socket(AF_UNIX, type, 0) })
        let number = descriptor.number
        var one: Int32 = 1
        try checked("setsockopt", "SO_PASSCRED") {
            setsockopt(number, SOL_SOCKET, SO_PASSCRED, &one, socklen_t(MemoryLayout<Int32>.size))
        }
        let name = "reloaderd/\(try Self.randomName())"
        try checked("bind", name) { rl_bind_abstract(number, name, name.utf8.count) }
        address = "@" + name
        self.descriptor = descriptor
    }

    struct Datagram {
        var bytes: [UInt8]
        /// Of the sending process, as the kernel says; `UInt32.max` where it does not.
        var sender: UInt32
    }

    /// The next datagram; nil when there is none. Descriptors that come along are closed, which also answers BARRIER=1.
    static func receive(_ number: Int32) throws(SystemError) -> Datagram? {
        var bytes = [UInt8](repeating: 0, count: datagramBytesMax)
        var sender: UInt32 = 0
        let count = try checkedUnlessWouldBlock("recvmsg", "a worker's notify socket") {
            rl_receive_datagram(number, &bytes, bytes.count, &sender)
        }
        guard let count else { return nil }
        return Datagram(bytes: Array(bytes[..<count]), sender: sender)
    }

    private static func randomName() throws(SystemError) -> String {
        var words: (UInt64, UInt64) = (0, 0)
        try checked("getrandom") { getrandom(&words, 16, 0) }
        return String(words.0, radix: 16) + String(words.1, radix: 16)
    }
}

extension NotifySocket {
    consuming func takeDescriptor() -> FileDescriptor { descriptor }
}
