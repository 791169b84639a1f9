// A response, and its bytes.

struct Response {
    var status: Int
    var body: String
    /// The connection ends with this response, and says so.
    var closes: Bool
    /// false: the answer to HEAD, which has the length of a body but not the body.
    var sendsBody: Bool

    var bytes: [UInt8] {
        let content = body.isEmpty ? "\(status) \(reason)\n" : body
        var text = "HTTP/1.1 \(status) \(reason)\r\nContent-Type: text/plain\r\n"
        text += "Content-Length: \(content.utf8.count)\r\n"
        if status == 405 { text += "Allow: GET, HEAD\r\n" }
        text += closes ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n"
        if sendsBody { text += content }
        return Array(text.utf8)
    }

    private var reason: String {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 413: "Content Too Large"
        case 431: "Request Header Fields Too Large"
        case 501: "Not Implemented"
        case 505: "HTTP Version Not Supported"
        default: "Unknown"
        }
    }
}
