// The values of options: how they are read if one call of a Supervisor parser is not enough, and their bounds.
import Reloader
import Supervisor

func parseDuration(
    _ text: String, atLeast minimum: Duration = .zero
) throws(ConfigurationError) -> Duration {
    let duration = try Duration(parsing: text)
    if duration < minimum { throw ConfigurationError("\(quoted(text)) is too short: at least \(minimum.text)") }
    return duration
}

func parseDuration(_ text: String, in range: ClosedRange<Duration>) throws(ConfigurationError) -> Duration {
    let duration = try parseDuration(text, atLeast: range.lowerBound)
    if duration > range.upperBound {
        throw ConfigurationError("\(quoted(text)) is too long: at most \(range.upperBound.text)")
    }
    return duration
}

func parsePath(_ text: String) throws(ConfigurationError) -> String {
    if text.isEmpty { throw ConfigurationError("a path is missing") }
    guard text.utf8.count <= Bounds.pathBytesMax, !text.utf8.contains(0) else {
        throw ConfigurationError(
            "\(quoted(text)) is not a path: it is longer than \(Bounds.pathBytesMax) bytes, or has a NUL byte")
    }
    return text
}

/// `auto` or a number.
func parseWorkers(_ text: String) throws(ConfigurationError) -> WorkerCount {
    if text == "auto" { return .automatic }
    return .fixed(try wholeNumber(text, in: ControlLimits.workers, called: "auto or a number"))
}

/// A number or a percentage.
func parseSurge(_ text: String) throws(ConfigurationError) -> SurgeChoice {
    if text.utf8.last == UInt8(ascii: "%") {
        let number = String(text.utf8.dropLast()) ?? ""
        return .percent(try wholeNumber(number, in: Bounds.surgePercent, called: "a percentage"))
    }
    return .count(try wholeNumber(text, in: ControlLimits.workers, called: "a percentage like 25%, or a number"))
}

/// `auto`, `message`, `listen` or a duration.
func parseReady(_ text: String) throws(ConfigurationError) -> ReadyChoice {
    switch text {
    case "auto": return .automatic
    case "message": return .message
    case "listen": return .listening
    default:
        guard text.utf8.first.map({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) == true else {
            throw ConfigurationError("\(quoted(text)) is not auto, message, listen or a duration like 2s")
        }
        return .after(try parseDuration(text))
    }
}

/// A port of `--no-share`.
func parseUnshared(_ text: String) throws(ConfigurationError) -> ListenAddress {
    let forms = "write 8080, 127.0.0.1:8080 or [::1]:8080, or udp: and one of them"
    let address: ListenAddress
    do throws(ConfigurationError) { address = try ListenAddress(parsing: text) } catch {
        throw ConfigurationError("\(quoted(text)) is not a port that could be shared: \(forms)")
    }
    switch address.port {
    case nil: throw ConfigurationError("\(quoted(text)): unix sockets are never shared; \(forms)")
    case 0: throw ConfigurationError("\(quoted(text)): ports that the kernel chooses are never shared; \(forms)")
    default: return address
    }
}

/// What `--share` names.
enum SharedPorts {
    case udp
    /// A privileged port, of TCP and of UDP.
    case port(UInt16)
}

func parseShared(_ text: String) throws(ConfigurationError) -> SharedPorts {
    if text == "udp" { return .udp }
    return .port(UInt16(try wholeNumber(text, in: 1...65_535, called: "udp or a port")))
}

/// `never` (nil), or `N/DURATION`.
func parseGiveUp(_ text: String) throws(ConfigurationError) -> GiveUp? {
    if text == "never" { return nil }
    guard let (failures, period) = cut(text, at: UInt8(ascii: "/")) else {
        throw ConfigurationError("\(quoted(text)) is not never or N/DURATION, like 20/1m")
    }
    return GiveUp(
        failures: try wholeNumber(failures, in: Bounds.giveUpFailures, called: "a number of failures"),
        within: try parseDuration(period, atLeast: Bounds.giveUpPeriodMin))
}

/// A size that a worker may reach.
func parseMaxMemory(_ text: String) throws(ConfigurationError) -> UInt64 {
    let bytes = try byteCount(parsing: text)
    if bytes < Bounds.maxMemoryMin {
        throw ConfigurationError("\(quoted(text)) is too small: at least \(byteCountText(Bounds.maxMemoryMin))")
    }
    return bytes
}

/// A signal that a worker can catch.
func parseStopSignal(_ text: String) throws(ConfigurationError) -> Int32 {
    let number = try signalNumber(parsing: text)
    let name = signalName(number)
    if name == "KILL" || name == "STOP" {
        throw ConfigurationError("\(name) cannot be caught: a worker could not finish its requests")
    }
    return number
}

func parseUmask(_ text: String) throws(ConfigurationError) -> UInt32 {
    let isOctal = !text.isEmpty && text.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "7") ~= $0 }
    guard isOctal, let mask = UInt32(text, radix: 8), mask <= Bounds.umaskMax else {
        throw ConfigurationError("\(quoted(text)) is not an octal number from 0 to 777")
    }
    return mask
}

/// `relay`, `inherit`, `prefix` or `file:PATH`.
func parseOutput(_ text: String) throws(ConfigurationError) -> OutputMode {
    if let (word, path) = cut(text, at: UInt8(ascii: ":")), word == "file" {
        return .file(path: try parsePath(String(path)))
    }
    switch text {
    case "relay": return .relay
    case "inherit": return .inherit
    case "prefix": return .prefix
    default: throw ConfigurationError("\(quoted(text)) is not relay, inherit, prefix or file:PATH")
    }
}

/// A command for /bin/sh -c.
func parseShellCommand(_ text: String) throws(ConfigurationError) -> String {
    guard text.utf8.contains(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }) else {
        throw ConfigurationError("a command is missing")
    }
    guard text.utf8.count <= Bounds.commandBytesMax, !text.utf8.contains(0) else {
        throw ConfigurationError("\(quoted(text)) is too long: at most \(Bounds.commandBytesMax) bytes")
    }
    return text
}

/// The daemon's name, which needs no quotes in the log.
func parseName(_ text: String) throws(ConfigurationError) -> String {
    func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "._-@+".utf8.contains(byte)
        }
    }
    guard 1...Bounds.nameBytesMax ~= text.utf8.count, text.utf8.allSatisfy(isAllowed) else {
        throw ConfigurationError(
            "\(quoted(text)) is not a name: 1 to \(Bounds.nameBytesMax) letters, digits and '.', '_', '-', '@', '+'")
    }
    return text
}

/// One of a few words.
func parseWord<Value>(_ text: String, _ words: [(String, Value)]) throws(ConfigurationError) -> Value {
    for (word, value) in words where word == text { return value }
    throw ConfigurationError("\(quoted(text)) is not \(words.map { $0.0 }.joined(separator: " or "))")
}

// MARK: bounds

/// The range of each value. A bound keeps a typing error from making a strange daemon.
enum Bounds {
    /// listen(2) takes an int, but the kernel keeps the length in 16 bits in places; no server needs more.
    static let backlog: ClosedRange<Int32> = 1...65_535
    /// More than all workers at once is not possible.
    static let surgePercent: ClosedRange<Int> = 1...100
    /// Some would read 0 as no limit, others as no time. A millisecond is the shortest time that means one thing.
    static let stopTimeoutMin = Duration.milliseconds(1)
    /// The daemon measures idle connections in milliseconds. Drains are far shorter than the upper bound, so that with
    /// it no connection counts as idle.
    static let drainIdle = Duration.milliseconds(1)...Duration.seconds(86_400)
    /// A worker needs some time to start at all.
    static let readyTimeoutMin = Duration.milliseconds(1)
    /// A worker pings at half of this interval, and a busy machine delays any process by some tens of milliseconds.
    static let watchdogMin = Duration.milliseconds(100)
    /// A worker that is replaced as soon as it serves never serves. A shorter life than this is a typing error.
    static let maxAgeMin = Duration.seconds(1)
    /// No server is smaller.
    static let maxMemoryMin: UInt64 = 1 << 20
    /// With 0, a program that crashes would keep a whole CPU busy.
    static let backoffMin = Duration.milliseconds(1)
    /// The core remembers the time of each failure.
    static let giveUpFailures: ClosedRange<Int> = 1...10_000
    static let giveUpPeriodMin = Duration.milliseconds(1)
    /// The range of setpriority(2).
    static let nice: ClosedRange<Int32> = -20...19
    /// The permission bits of umask(2).
    static let umaskMax: UInt32 = 0o777
    /// The name stands in lines of the log and of tables.
    static let nameBytesMax = 64
    /// execve(2) takes up to 128 KiB; a longer command belongs into a file.
    static let commandBytesMax = 65_536
    /// A shell needs some time to start at all. A command that runs for a day is no longer a reaction to an event.
    static let onEventTimeout = Duration.milliseconds(1)...Duration.seconds(86_400)
    /// PATH_MAX, without the NUL.
    static let pathBytesMax = 4095
    /// How often an option may be given. More comes from a script that went wrong.
    static let repeatsMax = 1024
    /// Far more than all options with a comment for each.
    static let configFileBytesMax = 1 << 20
    /// A daemon's default name is that of a file, which has at most NAME_MAX bytes. The path of a socket is much
    /// shorter.
    static let daemonNameBytesMax = 255
    /// Each reload makes one generation, and no daemon sees more reloads.
    static let generations: ClosedRange<Int> = 1...1_000_000_000
    /// Some would read 0 as no limit, others as no time.
    static let verbTimeoutMin = Duration.milliseconds(1)
    /// With 0, the reload would be promoted before a canary can crash.
    static let canaryTimeMin = Duration.milliseconds(1)
}
