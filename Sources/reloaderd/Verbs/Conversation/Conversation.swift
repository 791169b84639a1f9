// A verb's exchange with the daemon: it sends one request, then reads events and the answer.
import Reloader
import Supervisor

struct Conversation {
    let connection: ControlConnection

    /// How long an answer may take if it needs no waiting for workers. A daemon answers in milliseconds; without a
    /// limit a stopped daemon, or a machine that only swaps, would block a script for ever.
    static let patience = Duration.seconds(10)

    /// Finds the daemon and sends it the request.
    init(_ call: Call) throws(VerbError) {
        connection = try call.daemon.connect()
        try connection.send(call.request)
    }

    /// The answer, within `patience`. Events before it are skipped.
    func answer() throws(VerbError) -> Message {
        while true {
            let message = try nextSoon()
            if message.kind == .result { return message }
        }
    }

    /// The next message, without a time limit.
    func next() throws(VerbError) -> Message {
        try next(until: nil) { () throws(VerbError) -> Instant? in nil }
    }

    /// The next message, within `patience`.
    func nextSoon() throws(VerbError) -> Message {
        try next(until: MonotonicClock.now() + Self.patience) { () throws(VerbError) -> Instant? in
            throw .noAnswer("\(place) does not answer: the daemon may be stopped, or the machine overloaded")
        }
    }

    /// The next message.
    ///
    /// - Parameter atSilence: called if nothing came by the deadline; returns the next deadline.
    /// - Throws: also if the daemon refuses the request.
    func next(
        until deadline: Instant?, atSilence: () throws(VerbError) -> Instant?
    ) throws(VerbError) -> Message {
        var deadline = deadline
        while true {
            switch try connection.next(until: deadline) {
            case .end: throw ended
            case .silence: deadline = try atSilence()
            case .line(let line):
                let message = try Message(line, from: connection.path)
                if message.kind == .error { throw message.refusal }
                return message
            }
        }
    }

    /// Waits until `moment`.
    ///
    /// - Throws: as soon as the daemon ends.
    func pause(until moment: Instant) throws(VerbError) {
        if case .end = try connection.next(until: moment) { throw ended }
    }

    private var place: String { printable(connection.path) }

    private var ended: VerbError {
        .noAnswer("the daemon closed \(place) without an answer: it has ended or is ending")
    }
}

/// One line from the daemon: an event, or the answer that ends a request.
struct Message {
    let kind: MessageKind
    /// The line as it came, with its end.
    let line: String
    private let json: JSON

    init(_ bytes: [UInt8], from path: String) throws(VerbError) {
        line = String(decoding: bytes, as: UTF8.self) + "\n"
        guard let json = try? JSON(parsing: bytes[...]), let kind = json["type"]?.text.flatMap(MessageKind.init) else {
            throw .noAnswer("\(printable(path)) sent a line that cannot be understood: \(printable(line.dropLast()))")
        }
        self.json = json
        self.kind = kind
    }

    func decoded<Content: Answer>(as type: Content.Type = Content.self) throws(VerbError) -> Content {
        do throws(AnswerError) { return try Content(json) } catch {
            throw .noAnswer(
                "the daemon's answer cannot be understood (its \(error.member) is missing or wrong): "
                    + printable(line.dropLast()))
        }
    }

    /// The error that the line reports, as the end of the verb.
    var refusal: VerbError {
        let code = json["code"]?.text
        let reason = printable(json["message"]?.text ?? code ?? "the daemon refused without a reason")
        return VerbError(reason, code == ControlError.Code.usage.rawValue ? ExitStatus.usage : ExitStatus.failed)
    }
}

/// The part of a line from the daemon that a verb needs. Unknown members are skipped: a newer daemon may send more.
protocol Answer {
    init(_ json: JSON) throws(AnswerError)
}

/// A member is missing, or its type is not the protocol's.
struct AnswerError: Error {
    let member: String
}

extension JSON {
    func text(_ name: String) throws(AnswerError) -> String {
        guard let value = self[name]?.text else { throw AnswerError(member: name) }
        return value
    }

    func whole(_ name: String) throws(AnswerError) -> Int {
        guard let value = self[name]?.whole else { throw AnswerError(member: name) }
        return value
    }

    func seconds(_ name: String) throws(AnswerError) -> Double {
        guard let value = self[name]?.decimal else { throw AnswerError(member: name) }
        return value
    }

    func list<Element: Answer>(_ name: String) throws(AnswerError) -> [Element] {
        guard case .array(let values)? = self[name] else { throw AnswerError(member: name) }
        var elements: [Element] = []
        for value in values { elements.append(try Element(value)) }
        return elements
    }

    /// As `list`; empty if the member is missing, as older daemons leave it.
    func listIfAny<Element: Answer>(_ name: String) throws(AnswerError) -> [Element] {
        self[name] == nil ? [] : try list(name)
    }

    /// nil if the member is missing or null.
    func optional<Element: Answer>(_ name: String) throws(AnswerError) -> Element? {
        guard let value = self[name], value != .null else { return nil }
        return try Element(value)
    }

    /// The elements that are text; empty if the member is missing or null.
    func texts(_ name: String) -> [String] {
        guard case .array(let values)? = self[name] else { return [] }
        return values.compactMap { $0.text }
    }
}
