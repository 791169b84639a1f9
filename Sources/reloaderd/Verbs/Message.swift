// One line of the daemon: an event, or the answer that ends a request.
import FoundationEssentials
import Supervisor

struct Message {
    enum Kind: String, Decodable {
        case event
        case result
        case error
    }

    /// What every line has, and what an error has.
    private struct Head: Decodable {
        var type: Kind
        var code: String?
        var message: String?
    }

    let kind: Kind
    /// As it came.
    let line: [UInt8]
    private let head: Head

    init(_ line: [UInt8], from path: String) throws(VerbError) {
        self.line = line
        guard let head = try? JSONDecoder().decode(Head.self, from: Data(line)) else {
            throw .noAnswer("\(printable(path)) says something that is not understood: \(printable(text(line)))")
        }
        self.head = head
        kind = head.type
    }

    func decoded<Content: Decodable>(as type: Content.Type = Content.self) throws(VerbError) -> Content {
        do { return try JSONDecoder().decode(type, from: Data(line)) } catch {
            throw .noAnswer("the daemon's answer is not understood: \(printable(text(line)))")
        }
    }

    /// What an error line says, as the end of the verb.
    var refusal: VerbError {
        let reason = printable(head.message ?? head.code ?? "the daemon refuses without a reason")
        return VerbError(reason, head.code == "usage" ? exitUsage : ExitStatus.failed)
    }
}

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
