// A client of the control socket: says lines, hears lines.
import Foundation

/// One line that the daemon says.
struct ControlLine: CustomStringConvertible {
    var fields: [String: Any]
    var text: String

    init(_ line: String) throws {
        guard let fields = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
            throw DidNotHappen(description: "the daemon says no object: \(line)")
        }
        self.fields = fields
        text = line
    }

    var type: String { string("type") ?? "" }
    var event: String { string("event") ?? "" }
    var code: String { string("code") ?? "" }
    var outcome: String { string("outcome") ?? "" }
    var isOK: Bool { type == "result" && fields["ok"] as? Bool == true }
    var description: String { text }

    func string(_ name: String) -> String? { fields[name] as? String }
    func number(_ name: String) -> Double { (fields[name] as? NSNumber)?.doubleValue ?? .nan }
    func strings(_ name: String) -> [String] { fields[name] as? [String] ?? [] }
    func object(_ name: String) -> [String: Any] { fields[name] as? [String: Any] ?? [:] }
    func objects(_ name: String) -> [[String: Any]] { fields[name] as? [[String: Any]] ?? [] }

    /// All workers that a status lists, of whatever slot.
    var workers: [[String: Any]] { objects("slots").flatMap { $0["workers"] as? [[String: Any]] ?? [] } }
}

final class ControlConversation {
    private let number: Int32
    private let lines: LineReader

    init(_ path: String) throws {
        number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        lines = LineReader(owning: number)
        let (address, length) = Client.unixAddress(path)
        let result = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(number, $0, length) }
        }
        guard result == 0 else {
            throw DidNotHappen(description: "cannot connect to \(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Sends bytes as they are; false if the daemon has hung up.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 { return false }
            sent += count
        }
        return true
    }

    /// Sends as much as goes without waiting, and returns how much that was.
    func sendWhatFits(_ bytes: [UInt8]) -> Int {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count <= 0 { break }
            sent += count
        }
        return sent
    }

    func sendLine(_ text: String) { send(Array("\(text)\n".utf8)) }

    func send(_ verb: String, _ arguments: [String: Any] = [:]) throws {
        let request = arguments.merging(["v": 1, "verb": verb]) { $1 }
        sendLine(String(decoding: try JSONSerialization.data(withJSONObject: request), as: UTF8.self))
    }

    /// Nothing more will be said.
    func finish() { shutdown(number, Int32(SHUT_WR)) }

    /// The next line; nil at the end.
    func next() throws -> ControlLine? { try lines.next().map { try ControlLine($0) } }

    /// The next line, which must come.
    func line() throws -> ControlLine {
        guard let line = try next() else { throw DidNotHappen(description: "the daemon has hung up") }
        return line
    }

    /// Reads on to the event of this name.
    @discardableResult
    func event(_ name: String, where fits: (ControlLine) -> Bool = { _ in true }) throws -> ControlLine {
        while true {
            let line = try line()
            guard line.type == "event" else { throw DidNotHappen(description: "no \(name) before \(line)") }
            if line.event == name && fits(line) { return line }
        }
    }

    /// The result or error that ends a request, and the events before it.
    func answer() throws -> (events: [ControlLine], end: ControlLine) {
        var events: [ControlLine] = []
        while true {
            let line = try line()
            if line.type != "event" { return (events, line) }
            events.append(line)
        }
    }

    func ask(_ verb: String, _ arguments: [String: Any] = [:]) throws -> ControlLine {
        try send(verb, arguments)
        return try answer().end
    }
}
