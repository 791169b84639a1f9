// One line of the daemon: an event, or the answer that ends a request.
import Supervisor

struct Message {
    enum Kind: String {
        case event
        case result
        case error
    }

    let kind: Kind
    /// As it came, with its end.
    let line: String
    private let json: JSON

    init(_ bytes: [UInt8], from path: String) throws(VerbError) {
        line = String(decoding: bytes, as: UTF8.self) + "\n"
        guard let json = try? JSON(parsing: bytes[...]), let kind = json["type"]?.text.flatMap(Kind.init) else {
            throw .noAnswer("\(printable(path)) says something that is not understood: \(printable(line.dropLast()))")
        }
        self.json = json
        self.kind = kind
    }

    func decoded<Content: Answer>(as type: Content.Type = Content.self) throws(VerbError) -> Content {
        do throws(AnswerError) { return try Content(json) } catch {
            throw .noAnswer(
                "the daemon's answer is not understood, for its \(error.member): \(printable(line.dropLast()))")
        }
    }

    /// What an error line says, as the end of the verb.
    var refusal: VerbError {
        let code = json["code"]?.text
        let reason = printable(json["message"]?.text ?? code ?? "the daemon refuses without a reason")
        return VerbError(reason, code == "usage" ? exitUsage : ExitStatus.failed)
    }
}
