// What can be chosen by argument and environment.
import Glibc

struct Settings {
    /// Only without a supervisor's listeners. 0: any free one.
    var port: UInt16 = 8080
    var drainIdle = Duration.seconds(5)

    init(arguments: [String]) throws(Failure) {
        if let text = arguments.dropFirst().first ?? Self.variable("PORT") {
            guard let port = UInt16(text) else { throw Failure("port \(text): expected a number from 0 to 65535") }
            self.port = port
        }
        if let text = Self.variable("DRAIN_IDLE_MS") {
            guard let milliseconds = Int(text), (0...3_600_000).contains(milliseconds) else {
                throw Failure("DRAIN_IDLE_MS=\(text): expected a number from 0 to 3600000")
            }
            drainIdle = .milliseconds(milliseconds)
        }
    }

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

/// Why the worker can't run, in one line.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// - Parameter code: an errno.
    init(_ what: String, code: Int32, hint: String = "") {
        description = "\(what): \(strerror(code).map { String(cString: $0) } ?? "error \(code)")\(hint)"
    }
}
