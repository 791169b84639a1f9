// A connection to a daemon's control socket: requests out, lines in. Blocking; who waits says until when.
import Glibc
import Supervisor

final class ControlConnection {
    enum Reading {
        /// One line, without its end.
        case line([UInt8])
        /// The daemon has closed the connection.
        case end
        /// Nothing by the deadline.
        case silence
    }

    /// For messages.
    let path: String
    private let socket: FileDescriptor
    private var bytes: [UInt8] = []
    /// Up to here there is no line end.
    private var searchedCount = 0

    /// How long a daemon that lives may take to let us in or to read a line: it never blocks itself.
    private static let patienceSeconds = 10
    /// The status of the largest pool has a few MB.
    private static let lineBytesMax = 64 << 20

    /// - Throws: ENOENT and ECONNREFUSED where nobody listens, EACCES where we may not.
    init(path: String) throws(SystemError) {
        self.path = path
        let number = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw SystemError(call: "socket", errno: errno) }
        socket = FileDescriptor(owning: number)
        // A daemon that is stopped accepts nobody, and a full queue makes connect(2) wait.
        var limit = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var (address, length) = try Self.address(path)
        let result = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(number, $0, length) }
        }
        if result != 0 { throw SystemError(call: "connect", errno: errno, subject: path) }
    }

    private static func address(_ path: String) throws(SystemError) -> (sockaddr_un, socklen_t) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < room else { throw SystemError(call: "connect", errno: ENAMETOOLONG, subject: path) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return (address, socklen_t(MemoryLayout<sockaddr_un>.size))
    }

    /// The daemon's process; nil: the kernel does not say.
    var peer: Int32? { peerProcess(of: socket.number) }

    /// - Throws: where the daemon has gone meanwhile.
    func send(_ request: Request) throws(VerbError) {
        var rest = (request.json.line + [UInt8(ascii: "\n")])[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(socket.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EPIPE || errno == ECONNRESET {
                return  // What it said before it closed, if anything, is to be read.
            } else if errno != EINTR {
                throw .noAnswer("cannot write to \(printable(path)): \(String(cString: strerror(errno)))")
            }
        }
    }

    /// The next line, waited for until `deadline`; nil: for as long as it takes.
    func next(until deadline: Moment?) throws(VerbError) -> Reading {
        while true {
            if let line = takeLine() { return .line(line) }
            guard bytes.count < Self.lineBytesMax else {
                throw .noAnswer("\(printable(path)) sends a line without end")
            }
            var request = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
            let ready = poll(&request, 1, deadline.map { $0.millisecondsLeft(from: .now()) } ?? -1)
            if ready == 0 { return .silence }
            if ready < 0 && errno != EINTR {
                throw .noAnswer("cannot wait for \(printable(path)): \(String(cString: strerror(errno)))")
            }
            if ready > 0, try !readMore() { return .end }
        }
    }

    private func takeLine() -> [UInt8]? {
        guard let end = bytes[searchedCount...].firstIndex(of: UInt8(ascii: "\n")) else {
            searchedCount = bytes.count
            return nil
        }
        let line = Array(bytes[..<end])
        bytes.removeFirst(end + 1)
        searchedCount = 0
        return line
    }

    /// False at the end.
    private func readMore() throws(VerbError) -> Bool {
        let chunkBytes = 65_536
        var failure: Int32 = 0
        let chunk = [UInt8](unsafeUninitializedCapacity: chunkBytes) { buffer, count in
            let result = read(socket.number, buffer.baseAddress, chunkBytes)
            if result < 0 { failure = errno }
            count = max(0, result)
        }
        bytes += chunk
        switch failure {
        case 0: return !chunk.isEmpty
        case EINTR: return true
        case ECONNRESET: return false
        default: throw .noAnswer("cannot read from \(printable(path)): \(String(cString: strerror(failure)))")
        }
    }
}
