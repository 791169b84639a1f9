// The arguments of one request, taken one by one with their types and bounds; what nobody has taken is an error.

struct ControlArguments {
    private let verb: String
    private var members: [JSON.Member]

    /// - Parameter members: all of the request, but for `v` and `verb`.
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
            throw .usage("\(verb): \(name) must be a text of 1 to \(scalarsMax) characters")
        }
        return text
    }

    mutating func texts(_ name: String) throws(ControlError) -> [String]? {
        guard let value = take(name) else { return nil }
        let error = ControlError.usage("\(verb): \(name) must be a list of texts, without NUL characters")
        guard case .array(let values) = value else { throw error }
        var texts: [String] = []
        for value in values {
            guard let text = value.text, !text.utf8.contains(0) else { throw error }
            texts.append(text)
        }
        return texts
    }

    /// To be called when all that the verb knows has been taken.
    func finish() throws(ControlError) {
        guard let member = members.first else { return }
        throw .usage("\(verb): no such argument: \(quoted(member.name))")
    }

    /// The bound of durations on the command line.
    private static let seconds = 0...Double(Duration.configurableMax.components.seconds)

    private mutating func take(_ name: String) -> JSON? {
        guard let index = members.firstIndex(where: { $0.name == name }) else { return nil }
        return members.remove(at: index).value
    }
}
