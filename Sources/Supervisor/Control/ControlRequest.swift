// What a client may ask, typed. To add a verb: a case here, its arguments in `init`, and its deed in Daemon+Control.
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

    /// - Parameter line: without its newline.
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
                throw .usage("restart: which slot?")
            }
            return .restart(slot: slot, wait: try arguments.bool("wait", default: true))
        case "rollback":
            return .rollback(
                generation: try arguments.whole("generation", in: 1...Int.max),
                force: try arguments.bool("force", default: false),
                wait: try arguments.bool("wait", default: true))
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
