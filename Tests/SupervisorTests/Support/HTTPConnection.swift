// One end of a connection that speaks HTTP. As a client it reads responses, as a server requests.
import Glibc

final class HTTPConnection {
    struct Response: Equatable {
        var status: Int
        /// Names in lower case.
        var headers: [String: String]
        var body: String

        var closes: Bool { headers["connection"] == "close" }
    }

    private var number: Int32
    private var received: [UInt8] = []

    init(owning number: Int32) { self.number = number }

    /// Connects to 127.0.0.1.
    init(port: Int) throws {
        number = Client.connected(.ipv4("127.0.0.1", port))
        guard number >= 0 else {
            throw DidNotHappen(description: "cannot connect to \(port): \(String(cString: strerror(errno)))")
        }
    }

    deinit { close() }

    func close() {
        if number >= 0 { Glibc.close(number) }
        number = -1
    }

    /// Closes with RST.
    func reset() {
        var abort = linger(l_onoff: 1, l_linger: 0)
        setsockopt(number, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func send(_ text: String) throws {
        let bytes = Array(text.utf8)
        guard Glibc.send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw DidNotHappen(description: "cannot send: \(String(cString: strerror(errno)))")
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
            guard try receiveMore() else { throw DidNotHappen(description: "no head: the connection was closed") }
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
            guard try receiveMore() else { throw DidNotHappen(description: "no body: the connection was closed") }
        }
        let body = String(decoding: received.prefix(length), as: UTF8.self)
        received.removeFirst(length)
        return Response(status: status, headers: headers, body: body)
    }

    /// Waits for the other side's close; throws when it is a reset, or when bytes come instead.
    func receiveEnd() throws {
        if try receiveMore() || !received.isEmpty { throw DidNotHappen(description: "no end: there came bytes") }
    }

    private func receiveMore() throws -> Bool {
        try Patience.waitForInput(on: number, orSay: "no further bytes come; there are \(received.count)")
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(number, &bytes, bytes.count, 0)
        guard count >= 0 else { throw DidNotHappen(description: "cannot receive: \(String(cString: strerror(errno)))") }
        received += bytes.prefix(count)
        return count > 0
    }
}
