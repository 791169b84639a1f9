// The command line, parsed and checked.
import Glibc

struct Options {
    var address: Address
    var path = "/"
    var connections = 16
    /// false: a connection per request.
    var keepAlive = false
    /// Between the end of a response and the next request of the same connection.
    var pauseMilliseconds = 0
    /// From the first connect or write to the last byte of the response.
    var timeoutMilliseconds = 10_000
    /// Whichever of these comes first ends the run; SIGTERM and SIGINT always do.
    var requestsMax: Int?
    var durationMilliseconds: Int?
    var untilEndOfInput = false
    /// A line on stdout when a worker answers for the first time, for a test that waits for that.
    var announcesWorkers = false
    var json = false

    static let usage = """
        usage: strict-client --address 127.0.0.1:PORT|[::1]:PORT|unix:/path [--path /] [--connections 16]
          [--keep-alive] [--pause-ms N] [--timeout-ms 10000] [--requests N] [--duration-ms N] [--until-eof]
          [--announce-workers] [--json]
        """

    init(_ arguments: [String]) throws(UsageError) {
        var rest = arguments[...]
        var address: Address?
        while let option = rest.popFirst() {
            switch option {
            case "--address": address = try Address(try Self.value(of: option, from: &rest))
            case "--path": path = try Self.path(try Self.value(of: option, from: &rest))
            case "--connections": connections = try Self.number(of: option, from: &rest, in: 1...10_000)
            case "--keep-alive": keepAlive = true
            case "--pause-ms": pauseMilliseconds = try Self.number(of: option, from: &rest, in: 0...3_600_000)
            case "--timeout-ms": timeoutMilliseconds = try Self.number(of: option, from: &rest, in: 1...3_600_000)
            case "--requests": requestsMax = try Self.number(of: option, from: &rest, in: 1...1_000_000_000)
            case "--duration-ms": durationMilliseconds = try Self.number(of: option, from: &rest, in: 1...86_400_000)
            case "--until-eof": untilEndOfInput = true
            case "--announce-workers": announcesWorkers = true
            case "--json": json = true
            case "--help":
                writeOut(Self.usage + "\n")
                exit(0)
            default: throw UsageError("unknown option \(option)\n\(Self.usage)")
            }
        }
        guard let address else { throw UsageError("--address is missing\n\(Self.usage)") }
        self.address = address
    }

    private static func value(of option: String, from rest: inout ArraySlice<String>) throws(UsageError) -> String {
        guard let value = rest.popFirst() else { throw UsageError("\(option) needs a value") }
        return value
    }

    private static func number(
        of option: String, from rest: inout ArraySlice<String>, in range: ClosedRange<Int>
    ) throws(UsageError) -> Int {
        let text = try value(of: option, from: &rest)
        guard let number = Int(text), range.contains(number) else {
            throw UsageError("\(option) \(text): not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func path(_ text: String) throws(UsageError) -> String {
        guard text.hasPrefix("/"), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw UsageError("--path \(text): not a path that starts with / (printable ASCII, no space)")
        }
        return text
    }
}

/// What is wrong with the command line or the surroundings, in one line.
struct UsageError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
