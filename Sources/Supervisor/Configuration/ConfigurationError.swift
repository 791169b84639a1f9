// The error for text that a person wrote and that is wrong.

/// An option, a line of a file or a name is wrong. At a reload the reload is refused, and nothing changes.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line that tells a person what to do, without the program's name in front.
    public var description: String

    public init(_ description: String) { self.description = description }

    /// The same error with its place in front: `--workers: …`, `/etc/app.conf:3: …`.
    public func at(_ place: String) -> ConfigurationError { ConfigurationError("\(place): \(description)") }
}
