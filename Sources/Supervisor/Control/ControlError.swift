// Why a request is not answered by a result: the error line of the protocol.

public struct ControlError: Error {
    /// Stable, for programs.
    public enum Code: String, Sendable {
        /// Not JSON, no such verb or argument, a value of the wrong type or out of bounds.
        case usage
        /// Another version of the protocol.
        case version
        /// A request above `ControlLimits.requestBytesMax`; the connection ends.
        case tooLong = "too_long"
        /// Not root, not the daemon's own user, not of the control group; the connection ends.
        case forbidden
        /// Too many clients, or too much waits for them; the connection ends in the first case.
        case busy
        /// It follows and reads too slowly; the connection ends.
        case lagged
        /// It makes no sense now: the pool stops.
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
