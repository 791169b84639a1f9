// The requests of clients as types. A new verb needs a case here, its arguments in `init`, and its action in
// Daemon+Requests.
internal import Glibc
internal import Reloader

enum ControlRequest {
    case status
    case reload(ReloadRequest)
    case history(limit: Int)
    case events(follow: Bool)
    case logs(slot: Int?, follow: Bool)
    case scale(ScaleChange)
    case stop(StopMode, wait: Bool)
    case pause
    case resume
    case promote
    case restart(slot: Int, wait: Bool)
    case rollback(generation: Int?, force: Bool, wait: Bool)
    case upgrade(path: String?, isUrgent: Bool)

    /// - Parameter line: the request without its newline.
    init(_ line: ArraySlice<UInt8>) throws(ControlError) {
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: line) } catch { throw .usage("\(error)") }
        guard case .object(let members) = json else {
            throw .usage("a request is an object: {\"v\":1,\"verb\":\"status\"}")
        }
        guard let version = json["v"] else { throw .usage("a request needs the version of the protocol: \"v\":1") }
        guard version == .integer(ControlLimits.version) else {
            throw ControlError(.version, "this daemon speaks version \(ControlLimits.version) of the protocol")
        }
        guard let verb = json["verb"]?.text else { throw .usage("a request needs a verb: \"verb\":\"status\"") }
        var arguments = ControlArguments(
            verb: printable(verb), members: members.filter { $0.name != "v" && $0.name != "verb" })
        self = try Self.request(verb, &arguments)
        try arguments.finish()
    }

    private static func request(
        _ verb: String, _ arguments: inout ControlArguments
    ) throws(ControlError) -> ControlRequest {
        switch verb {
        case "status": return .status
        case "reload": return .reload(try ReloadRequest(&arguments))
        case "history":
            let all = ControlLimits.historyEntries
            return .history(limit: try arguments.whole("limit", in: all) ?? all.upperBound)
        case "events": return .events(follow: try arguments.bool("follow", default: false))
        case "logs":
            return .logs(
                slot: try arguments.whole("slot", in: ControlLimits.slots),
                follow: try arguments.bool("follow", default: false))
        case "scale": return .scale(try scaleChange(&arguments))
        case "stop":
            let isFast = try arguments.bool("fast", default: false)
            return .stop(isFast ? .fast : .graceful, wait: try arguments.bool("wait", default: false))
        case "pause": return .pause
        case "resume": return .resume
        case "promote": return .promote
        case "restart":
            guard let slot = try arguments.whole("slot", in: ControlLimits.slots) else {
                throw .usage("restart: give a slot")
            }
            return .restart(slot: slot, wait: try arguments.bool("wait", default: true))
        case "rollback":
            return .rollback(
                generation: try arguments.whole("generation", in: 1...Int.max),
                force: try arguments.bool("force", default: false),
                wait: try arguments.bool("wait", default: true))
        case "upgrade":
            return .upgrade(
                path: try arguments.path("path"), isUrgent: try arguments.bool("now", default: false))
        default: throw .usage("no such verb: \(quoted(verb))")
        }
    }

    private static func scaleChange(_ arguments: inout ControlArguments) throws(ControlError) -> ScaleChange {
        let to = try arguments.whole("to", in: ControlLimits.workers)
        let by = try arguments.whole("by", in: -Policy.workersMax...Policy.workersMax)
        switch (to, by) {
        case (let to?, nil): return .to(to)
        case (nil, let by?): return .by(by)
        case (nil, nil), (_?, _?): throw .usage("scale: give either to or by")
        }
    }
}

/// The arguments of the verb `reload`.
struct ReloadRequest {
    var wait: Bool
    var changes: Releases.Changes

    init(_ arguments: inout ControlArguments) throws(ControlError) {
        wait = try arguments.bool("wait", default: true)
        changes = Releases.Changes()
        changes.arguments = try arguments.texts("arguments")
        changes.plan.timeout = try arguments.seconds("timeout_s")
        changes.plan.surge = try arguments.whole("surge", in: ControlLimits.workers)
        changes.plan.soak = try arguments.seconds("soak_s")
        changes.plan.maxFailures = try arguments.whole("max_failures", in: ControlLimits.failures) ?? 0
        changes.note = try arguments.text("note", scalarsMax: ControlLimits.noteScalarsMax).map { printable($0) }
        let slots = try arguments.whole("canary", in: ControlLimits.workers)
        let time = try arguments.seconds("canary_time_s")
        if time != nil && slots == nil { throw .usage("reload: canary_time_s needs canary") }
        changes.plan.canary = slots.map { Canary(slots: $0, time: time) }
    }
}

/// The arguments of one request, taken one by one with their types and bounds. An argument that is not taken is an
/// error.
struct ControlArguments {
    private let verb: String
    private var members: [JSON.Member]

    /// - Parameter members: all members of the request except `v` and `verb`.
    init(verb: String, members: [JSON.Member]) {
        self.verb = verb
        self.members = members
    }

    mutating func bool(_ name: String, default value: Bool) throws(ControlError) -> Bool {
        switch take(name) {
        case nil: return value
        case .bool(let value)?: return value
        default: throw .usage("\(verb): \(name) must be true or false")
        }
    }

    mutating func whole(_ name: String, in range: ClosedRange<Int>) throws(ControlError) -> Int? {
        guard let value = take(name) else { return nil }
        guard case .integer(let number) = value, range.contains(number) else {
            throw .usage("\(verb): \(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    mutating func seconds(_ name: String) throws(ControlError) -> Duration? {
        guard let value = take(name) else { return nil }
        switch value {
        case .integer(let number) where Self.seconds.contains(Double(number)): return .seconds(number)
        case .number(let number) where Self.seconds.contains(number): return .nanoseconds(Int64(number * 1e9))
        default: throw .usage("\(verb): \(name) must be a number of seconds, 0 to \(Int(Self.seconds.upperBound))")
        }
    }

    mutating func text(_ name: String, scalarsMax: Int) throws(ControlError) -> String? {
        guard let value = take(name) else { return nil }
        guard let text = value.text, 1...scalarsMax ~= text.unicodeScalars.count else {
            throw .usage("\(verb): \(name) must be a string of 1 to \(scalarsMax) characters")
        }
        return text
    }

    mutating func path(_ name: String) throws(ControlError) -> String? {
        guard let value = take(name) else { return nil }
        guard let text = value.text, text.utf8.first == UInt8(ascii: "/"), !text.utf8.contains(0),
            text.utf8.count < PATH_MAX
        else { throw .usage("\(verb): \(name) must be an absolute path") }
        return text
    }

    mutating func texts(_ name: String) throws(ControlError) -> [String]? {
        guard let value = take(name) else { return nil }
        let error = ControlError.usage("\(verb): \(name) must be a list of strings without NUL characters")
        guard case .array(let values) = value else { throw error }
        var texts: [String] = []
        for value in values {
            guard let text = value.text, !text.utf8.contains(0) else { throw error }
            texts.append(text)
        }
        return texts
    }

    /// To be called when all arguments that the verb knows have been taken.
    func finish() throws(ControlError) {
        guard let member = members.first else { return }
        throw .usage("\(verb): no such argument: \(quoted(member.name))")
    }

    /// The range of durations, in seconds; as on the command line.
    private static let seconds = 0...Double(Duration.configurableMax.components.seconds)

    private mutating func take(_ name: String) -> JSON? {
        guard let index = members.firstIndex(where: { $0.name == name }) else { return nil }
        return members.remove(at: index).value
    }
}

/// Why a request is not answered by a result: the error line of the protocol.
public struct ControlError: Error {
    /// Stable, for programs.
    public enum Code: String, Sendable {
        /// Not JSON, no such verb or argument, a value of the wrong type or out of bounds.
        case usage
        /// Another version of the protocol.
        case version
        /// The request is larger than `ControlLimits.requestBytesMax`; the connection ends.
        case tooLong = "too_long"
        /// The peer is not root, not the daemon's own user and not in the control group; the connection ends.
        case forbidden
        /// Too many clients are connected, which ends the connection, or too much output waits for them.
        case busy
        /// The client reads too slowly for what it follows; the connection ends.
        case lagged
        /// The request makes no sense now, for example because the pool is stopping.
        case refused
    }

    var code: Code
    var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    static func usage(_ message: String) -> ControlError { ControlError(.usage, message) }

    var json: JSON { ["type": .word(MessageKind.error), "code": .word(code), "message": .string(message)] }
}
