// A response, read from the bytes received so far. Pure: bytes in, verdict out (RFC 9112).

struct Response {
    var status: Int
    /// The server said, or the protocol means, that this is the connection's last response.
    var closes: Bool
    /// Where the body lies in the bytes; for a chunked one the first chunk.
    var body: Range<Int>

    enum Verdict {
        case incomplete
        case complete(Response)
        case malformed(String)
    }

    /// Larger ones are called malformed: this client is for small answers.
    static let bytesMax = 1 << 20

    /// - Parameter ended: the server has closed its side.
    static func read(_ bytes: [UInt8], ended: Bool) -> Verdict {
        guard bytes.count <= bytesMax else { return .malformed("larger than \(bytesMax) bytes") }
        var start = 0
        while true {
            guard let headEnd = find([13, 10, 13, 10], in: bytes, from: start) else { return .incomplete }
            guard let head = Head(bytes[start..<headEnd]) else { return .malformed("not an HTTP/1 response head") }
            start = headEnd + 4
            // Interim responses (1xx) come before the real one.
            if (100...199).contains(head.status) { continue }
            return readBody(of: head, bytes: bytes, from: start, ended: ended)
        }
    }

    private static func readBody(of head: Head, bytes: [UInt8], from start: Int, ended: Bool) -> Verdict {
        var response = Response(status: head.status, closes: head.closes, body: start..<start)
        let end: Int
        if head.status == 204 || head.status == 304 {
            end = start
        } else if head.isChunked {
            switch chunkedEnd(bytes, from: start) {
            case .incomplete: return .incomplete
            case .malformed: return .malformed("bad chunk")
            case .ends(let firstChunk, let last):
                response.body = firstChunk
                end = last
            }
        } else if let length = head.contentLength {
            end = start + length
            response.body = start..<end
        } else {
            guard ended else { return .incomplete }
            response.closes = true
            response.body = start..<bytes.count
            end = bytes.count
        }
        if bytes.count < end { return .incomplete }
        if bytes.count > end { return .malformed("\(bytes.count - end) bytes after the end of the response") }
        return .complete(response)
    }

    private enum Chunked {
        case incomplete
        case malformed
        case ends(firstChunk: Range<Int>, Int)
    }

    private static func chunkedEnd(_ bytes: [UInt8], from start: Int) -> Chunked {
        var position = start
        var firstChunk: Range<Int>?
        while true {
            guard let lineEnd = find([13, 10], in: bytes, from: position) else { return .incomplete }
            let line = bytes[position..<lineEnd].prefix { $0 != UInt8(ascii: ";") }
            let digits = String(decoding: line, as: UTF8.self)
            guard let size = Int(digits, radix: 16), (0...bytesMax).contains(size) else { return .malformed }
            position = lineEnd + 2
            if size == 0 { break }
            guard bytes.count >= position + size + 2 else { return .incomplete }
            guard bytes[position + size] == 13, bytes[position + size + 1] == 10 else { return .malformed }
            firstChunk = firstChunk ?? position..<position + size
            position += size + 2
        }
        while let lineEnd = find([13, 10], in: bytes, from: position) {
            let isLast = lineEnd == position
            position = lineEnd + 2
            if isLast { return .ends(firstChunk: firstChunk ?? start..<start, position) }
        }
        return .incomplete
    }
}

/// Status line and the three headers that decide where a response ends and whether another may follow.
private struct Head {
    var status: Int
    var closes: Bool
    var contentLength: Int?
    var isChunked = false

    init?(_ bytes: ArraySlice<UInt8>) {
        var lines = Lines(bytes)
        guard let statusLine = lines.next(), statusLine.count >= 12,
            statusLine.starts(with: "HTTP/1.".utf8),
            statusLine[statusLine.startIndex + 8] == UInt8(ascii: " "),
            let status = number(statusLine.dropFirst(9).prefix(3)), (100...599).contains(status)
        else { return nil }
        self.status = status
        let isOld = statusLine[statusLine.startIndex + 7] == UInt8(ascii: "0")
        closes = isOld
        while let line = lines.next() {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            let name = line[..<colon]
            let value = trimmed(line[(colon + 1)...])
            if equals(name, "content-length") {
                guard let length = number(value), contentLength == nil || contentLength == length else { return nil }
                contentLength = length
            } else if equals(name, "transfer-encoding") {
                guard equals(value, "chunked") else { return nil }
                isChunked = true
            } else if equals(name, "connection") {
                if equals(value, "close") { closes = true }
                if isOld, equals(value, "keep-alive") { closes = false }
            }
        }
        if isChunked { contentLength = nil }
    }
}

private struct Lines {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func next() -> ArraySlice<UInt8>? {
        guard !rest.isEmpty else { return nil }
        let end = rest.firstIndex(of: 13) ?? rest.endIndex
        defer { rest = rest[min(end + 2, rest.endIndex)...] }
        return rest[..<end]
    }
}

private func find(_ pattern: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    var position = start
    while position + pattern.count <= bytes.count {
        if bytes[position] == pattern[0], bytes[position..<position + pattern.count].elementsEqual(pattern) {
            return position
        }
        position += 1
    }
    return nil
}

/// Digits only, at most 9 of them: no sign, no overflow.
private func number(_ bytes: ArraySlice<UInt8>) -> Int? {
    guard !bytes.isEmpty, bytes.count <= 9 else { return nil }
    var value = 0
    for byte in bytes {
        guard (48...57).contains(byte) else { return nil }
        value = value * 10 + Int(byte - 48)
    }
    return value
}

private func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var bytes = bytes
    while let first = bytes.first, first == 32 || first == 9 { bytes = bytes.dropFirst() }
    while let last = bytes.last, last == 32 || last == 9 { bytes = bytes.dropLast() }
    return bytes
}

/// ASCII, whatever the case; `word` is in lower case.
private func equals(_ bytes: ArraySlice<UInt8>, _ word: StaticString) -> Bool {
    guard bytes.count == word.utf8CodeUnitCount else { return false }
    return word.withUTF8Buffer { letters in
        zip(bytes, letters).allSatisfy { byte, letter in
            byte == letter || ((65...90).contains(byte) && byte + 32 == letter)
        }
    }
}
