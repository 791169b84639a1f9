// Messages from workers on the ready pipe or the notify socket, and the socket itself: the server side of sd_notify(3),
// with a datagram socket for each worker, so that no PID has to be matched.
internal import CLinux
internal import Glibc
internal import Reloader

/// The assignments of sd_notify(3), and a bare newline (s6).
enum WorkerMessage: Equatable {
    case ready
    case heartbeat
    case stopping
    case status(String)
    case extendTimeout(Duration)

    /// The bytes of a STATUS= that are kept: it is shown in one line of a table.
    static let statusBytesMax = 256

    /// Parses one line without its newline; nil for assignments that mean nothing here: sd_notify(3) asks that they be
    /// ignored.
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
    /// The bytes of a datagram that are read; longer ones are cut, as systemd cuts them.
    static let datagramBytesMax = 4096

    let descriptor: FileDescriptor
    /// The value of NOTIFY_SOCKET: an abstract address, which can be reached after chroot(2) and disappears with the
    /// socket. Its name can't be guessed, and senders are checked by uid as well.
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
        /// The user of the sending process, as the kernel reports it; `UInt32.max` if it does not.
        var sender: UInt32
    }

    /// The next datagram; nil if there is none. Descriptors that come with it are closed, which also answers BARRIER=1.
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
