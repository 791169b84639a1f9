// A blocking connection to a daemon's control socket: requests go out, lines come in, each wait up to a deadline.
import Glibc
import Reloader
import Supervisor

final class ControlConnection {
    enum Reading {
        /// One line, without its end.
        case line([UInt8])
        /// The daemon has closed the connection.
        case end
        /// Nothing came by the deadline.
        case silence
    }

    /// For messages.
    let path: String
    private let socket: FileDescriptor
    private var bytes: [UInt8] = []
    /// The first `searchedCount` bytes hold no line end.
    private var searchedCount = 0

    /// How long a daemon may take to accept the connection or to read a line. A running daemon never blocks.
    private static let patience = Duration.seconds(10)
    /// The status of the largest pool has a few MB.
    private static let lineBytesMax = 64 << 20

    /// - Throws: as `ControlSocket.connect`.
    init(path: String) throws(SystemError) {
        self.path = path
        socket = try ControlSocket.connect(to: path, patience: Self.patience)
    }

    /// The daemon's process; nil if the kernel does not say.
    var peer: Int32? { ControlSocket.peerProcess(of: socket) }

    /// - Throws: if the request cannot be written. A daemon that has closed the connection is not an error yet: what it
    ///   sent before can still be read.
    func send(_ request: Request) throws(VerbError) {
        var rest = (request.json.line + [UInt8(ascii: "\n")])[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(socket.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EPIPE || errno == ECONNRESET {
                return
            } else if errno != EINTR {
                throw .noAnswer("cannot write to \(printable(path)): \(String(cString: strerror(errno)))")
            }
        }
    }

    /// The next line. Waits until `deadline`, or without a limit if there is none.
    func next(until deadline: Instant?) throws(VerbError) -> Reading {
        while true {
            if let line = takeLine() { return .line(line) }
            guard bytes.count < Self.lineBytesMax else {
                throw .noAnswer("\(printable(path)) sent a line of more than \(Self.lineBytesMax >> 20)M")
            }
            var request = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
            let ready = poll(&request, 1, deadline.map(Self.millisecondsLeft) ?? -1)
            if ready == 0 { return .silence }
            if ready < 0 && errno != EINTR {
                throw .noAnswer("cannot wait for \(printable(path)): \(String(cString: strerror(errno)))")
            }
            if ready > 0, try !readMore() { return .end }
        }
    }

    /// For poll(2): rounded up, so that it does not return too early.
    private static func millisecondsLeft(until deadline: Instant) -> Int32 {
        let left = max(.zero, deadline - MonotonicClock.now()).nanoseconds
        return Int32(clamping: left / 1_000_000 + (left % 1_000_000 > 0 ? 1 : 0))
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

    /// False at the end of the connection.
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
