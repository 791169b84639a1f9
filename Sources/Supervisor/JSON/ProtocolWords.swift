// The fixed words of the control protocol, for the daemon that writes them and the verbs that read them. They are not
// in Control, because the log and the listeners have lines in the protocol, too.

/// The type of a line that the daemon sends.
public enum MessageKind: String, Sendable {
    /// Something that happened; more lines follow.
    case event
    /// The answer to a request that was understood.
    case result
    /// The answer to a request that was not understood, or that makes no sense now.
    case error
}

/// How a roll, or the restart of a slot, went.
public enum RollOutcome: String, Codable, Sendable {
    /// It started, and the client does not wait for its end.
    case begun
    case done
    /// It failed and was reverted, or was given up.
    case failed
    /// Another roll took its place.
    case superseded
    /// It was not done within its time limit, and was reverted.
    case timedOut = "timed_out"
    /// The pool was stopped and no longer serves.
    case stopped
    /// It did not start: the options or the program are wrong.
    case refused
}

/// What the pool as a whole is doing.
public enum PoolPhase: String, Sendable {
    case running
    /// Reloads hold until `resume`.
    case paused
    /// At least one slot fails and has no worker that serves.
    case failing
    /// All workers were told to finish; the daemon goes on.
    case drained
    case stopping
}

/// How a port of the pool was opened.
public enum PortKind: String, Sendable {
    /// The daemon opened the port, for `--listen`.
    case listen
    /// Workers opened the port, and the daemon shares it between them.
    case shared
    /// Workers opened the port without the daemon.
    case own
}

extension JSON {
    /// A word of the protocol or of another fixed list, as a JSON string.
    static func word(_ word: some RawRepresentable<String>) -> JSON { .string(word.rawValue) }
}
