// Why a verb was not done, and the exit statuses of verbs.

enum ExitStatus {
    /// It failed and was put back, or was refused.
    static let failed: Int32 = 1
    /// Another reload took its place.
    static let superseded: Int32 = 2
    /// `status --exit-code`: not every slot has a worker that serves, and none fails.
    static let notReady: Int32 = 2
    static let timedOut: Int32 = 3
    /// There is none, or it has ended or broken off without an answer.
    static let noDaemon: Int32 = 4
    /// The daemon was stopped meanwhile: nobody serves any more.
    static let stopped: Int32 = 5
}

struct VerbError: Error {
    /// One line, without the command's name in front.
    let message: String
    let exitStatus: Int32

    init(_ message: String, _ exitStatus: Int32) {
        self.message = message
        self.exitStatus = exitStatus
    }

    /// The daemon has ended, or what it says is not understood.
    static func noAnswer(_ message: String) -> VerbError { VerbError(message, ExitStatus.noDaemon) }
}
