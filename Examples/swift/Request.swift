// A request, read from the bytes received so far. Pure: bytes in, verdict out (RFC 9112).

struct Request {
    /// What the answer's status will be.
    var status: Int
    var isHead: Bool
    /// The client would send another request on this connection.
    var keepsAlive: Bool
    /// nil: answer at once.
    var delay: Duration?

    enum Verdict {
        case incomplete
        /// The request, and how many bytes it took, body included.
        case complete(Request, length: Int)
        /// Answer with this status and close.
        case bad(status: Int)
    }

    private static let headBytesMax = 16_384
    private static let bodyBytesMax = 1 << 20
    private static let delayMillisecondsMax = 60_000

    static func read(_ bytes: [UInt8]) -> Verdict {
        // An empty line before a request is to be overlooked (RFC 9112, 2.2).
        let start = bytes.starts(with: [13, 10]) ? 2 : 0
        guard let headEnd = endOfHead(bytes, from: start) else {
            return bytes.count > headBytesMax ? .bad(status: 431) : .incomplete
        }
        guard headEnd <= headBytesMax else { return .bad(status: 431) }
        let text = String(decoding: bytes[start..<headEnd - 4], as: UTF8.self)
        // "\r\n" is one Character in Swift, so no line is cut in two.
        let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
        let words = lines[0].split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, !words[0].isEmpty, words[1].hasPrefix("/") || words[1] == "*" else {
            return .bad(status: 400)
        }
        guard words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0" else {
            return .bad(status: words[2].hasPrefix("HTTP/") ? 505 : 400)
        }
        var request = Request(method: words[0], target: words[1], isOld: words[2] == "HTTP/1.0")
        var bodyLength = 0
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":"), colon > line.startIndex, !line[..<colon].contains(" ") else {
                return .bad(status: 400)
            }
            let value = line[line.index(after: colon)...].filter { $0 != " " && $0 != "\t" }.lowercased()
            switch line[..<colon].lowercased() {
            case "connection": request.obey(connection: value)
            case "transfer-encoding": return .bad(status: 501)
            case "content-length":
                guard value.utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(value) else {
                    return .bad(status: 400)
                }
                guard length <= bodyBytesMax else { return .bad(status: 413) }
                bodyLength = length
            default: break
            }
        }
        let length = headEnd + bodyLength
        return bytes.count < length ? .incomplete : .complete(request, length: length)
    }

    private init(method: Substring, target: Substring, isOld: Bool) {
        isHead = method == "HEAD"
        keepsAlive = !isOld
        let parts = target.split(separator: "?", maxSplits: 1)
        switch parts.first {
        case _ where method != "GET" && method != "HEAD": status = 405
        case "/": status = 200
        case "/slow":
            status = 200
            let query = parts.dropFirst().first ?? ""
            let milliseconds = query.hasPrefix("ms=") ? UInt32(query.dropFirst(3)) : nil
            delay = milliseconds.map { .milliseconds(min(Int($0), Self.delayMillisecondsMax)) }
            if delay == nil { status = 400 }
        default: status = 404
        }
    }

    private mutating func obey(connection value: String) {
        for word in value.split(separator: ",") {
            if word == "close" { keepsAlive = false }
            if word == "keep-alive" { keepsAlive = true }
        }
    }

    private static func endOfHead(_ bytes: [UInt8], from start: Int) -> Int? {
        var position = start
        while position + 4 <= bytes.count {
            if bytes[position] == 13, bytes[position + 1] == 10, bytes[position + 2] == 13, bytes[position + 3] == 10 {
                return position + 4
            }
            position += 1
        }
        return nil
    }
}
