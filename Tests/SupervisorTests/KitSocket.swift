// Sockets for the tests of the kit, the examples and the client: a listener, a connection that speaks HTTP, a reader of
// lines. They block, but never for longer than a patience that only a failing test uses up.
import Glibc

/// How a test fails that waits for something that doesn't come.
struct KitTimeout: Error {
    var waitedFor: String
}

struct KitSystemError: Error {
    var call: String
    var code: Int32
}

enum KitSocket {
    static let patienceMilliseconds: Int32 = 20_000

    /// A connected pair, in place of a pipe: pipe2(2) is missing in Swift's Glibc, and without close-on-exec from the
    /// start a test that spawns at the same moment would hand the ends to its child.
    static func pair() throws -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, streamType, 0, &ends) == 0 else {
            throw KitSystemError(call: "socketpair", code: errno)
        }
        return (ends[0], ends[1])
    }

    static var streamType: Int32 { Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) }

    static func waitUntilReadable(_ descriptor: Int32, for what: String) throws {
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let count = poll(&watched, 1, patienceMilliseconds)
            if count > 0 { return }
            if count == 0 { throw KitTimeout(waitedFor: what) }
            if errno != EINTR { throw KitSystemError(call: "poll", code: errno) }
        }
    }
}

/// A TCP socket on a free port of 127.0.0.1, or a unix one.
final class KitListener {
    let descriptor: Int32
    private(set) var port: UInt16 = 0

    /// - Parameter listens: false: it holds the port, and whoever connects is refused.
    init(listens: Bool = true) throws {
        descriptor = socket(AF_INET, KitSocket.streamType, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) | getsockname(descriptor, address, &length)
            }
        }
        guard result == 0, !listens || listen(descriptor, 128) == 0 else {
            throw KitSystemError(call: "listen", code: errno)
        }
        port = UInt16(bigEndian: address.sin_port)
    }

    /// An abstract unix address: no file is left behind.
    init(abstractName: String, datagrams: Bool = false) throws {
        let type = datagrams ? Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) : KitSocket.streamType
        descriptor = socket(AF_UNIX, type, 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = [0] + Array(abstractName.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard result == 0, datagrams || listen(descriptor, 128) == 0 else {
            throw KitSystemError(call: "bind", code: errno)
        }
    }

    deinit { close(descriptor) }

    func accept() throws -> KitConnection {
        try KitSocket.waitUntilReadable(descriptor, for: "a connection")
        let accepted = Glibc.accept(descriptor, nil, nil)
        guard accepted >= 0 else { throw KitSystemError(call: "accept", code: errno) }
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return KitConnection(accepted)
    }

    func receiveDatagram() throws -> String {
        try KitSocket.waitUntilReadable(descriptor, for: "a datagram")
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}

/// One end of a connection. As a client it reads responses, as a server requests.
final class KitConnection {
    struct Response: Equatable {
        var status: Int
        /// Names in lower case.
        var headers: [String: String]
        var body: String

        var closes: Bool { headers["connection"] == "close" }
    }

    private var descriptor: Int32
    private var received: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, KitSocket.streamType, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
        }
        guard result == 0 else { throw KitSystemError(call: "connect", code: errno) }
    }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Closes with RST.
    func reset() {
        var abort = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func send(_ text: String) throws {
        let bytes = Array(text.utf8)
        guard Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw KitSystemError(call: "send", code: errno)
        }
    }

    func get(_ path: String) throws { try send("GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n") }

    /// Up to the empty line.
    func receiveHead() throws -> String {
        let end: [UInt8] = [13, 10, 13, 10]
        var position = 0
        while true {
            while position + end.count <= received.count {
                if received[position..<position + end.count].elementsEqual(end) {
                    let head = String(decoding: received[..<position], as: UTF8.self)
                    received.removeFirst(position + end.count)
                    return head
                }
                position += 1
            }
            guard try receiveMore() else { throw KitTimeout(waitedFor: "a head; the connection was closed") }
        }
    }

    func receiveResponse(hasBody: Bool = true) throws -> Response {
        let lines = try receiveHead().split(separator: "\r\n").map(String.init)
        let status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.dropFirst().first.map { String($0.drop { $0 == " " }) } ?? ""
        }
        let length = hasBody ? headers["content-length"].flatMap { Int($0) } ?? 0 : 0
        while received.count < length {
            guard try receiveMore() else { throw KitTimeout(waitedFor: "a body; the connection was closed") }
        }
        let body = String(decoding: received.prefix(length), as: UTF8.self)
        received.removeFirst(length)
        return Response(status: status, headers: headers, body: body)
    }

    /// Waits for the other side's close; throws when it is a reset, or when bytes come instead.
    func receiveEnd() throws {
        if try receiveMore() || !received.isEmpty { throw KitTimeout(waitedFor: "the end; there came bytes") }
    }

    private func receiveMore() throws -> Bool {
        try KitSocket.waitUntilReadable(descriptor, for: "bytes; there are \(received.count)")
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else { throw KitSystemError(call: "recv", code: errno) }
        received += bytes.prefix(count)
        return count > 0
    }
}

/// Lines from a descriptor that it owns.
final class KitLines {
    private let descriptor: Int32
    private var received: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Without its newline; nil: there are no more.
    func next() throws -> String? {
        while true {
            if let newline = received.firstIndex(of: 10) {
                let line = String(decoding: received[..<newline], as: UTF8.self)
                received.removeSubrange(...newline)
                return line
            }
            if try !receiveMore() { return nil }
        }
    }

    /// All that is left, once the other side has closed; it stays here for `next()`.
    @discardableResult
    func readToEnd() throws -> String {
        while try receiveMore() {}
        return String(decoding: received, as: UTF8.self)
    }

    private func receiveMore() throws -> Bool {
        try KitSocket.waitUntilReadable(descriptor, for: "a line")
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return false }
        received += bytes.prefix(count)
        return true
    }
}
