// Reading the daemon's JSON. Members that are not known are skipped: a newer daemon may say more.
import Supervisor

/// What a line of the daemon says, as far as a verb wants to know.
protocol Answer {
    init(_ json: JSON) throws(AnswerError)
}

/// A member that is missing, or of another kind than the protocol has.
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

    /// nil where it is missing or null.
    func optional<Element: Answer>(_ name: String) throws(AnswerError) -> Element? {
        guard let value = self[name], value != .null else { return nil }
        return try Element(value)
    }

    /// Those of its elements that are text; empty where it is missing or null.
    func texts(_ name: String) -> [String] {
        guard case .array(let values)? = self[name] else { return [] }
        return values.compactMap { $0.text }
    }

    var decimal: Double? {
        switch self {
        case .integer(let number): Double(number)
        case .number(let number): number
        case .null, .bool, .string, .array, .object: nil
        }
    }
}
