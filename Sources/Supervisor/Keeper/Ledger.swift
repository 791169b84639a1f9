// What the keeper is owed: the subjects whose rows have changed since they were last sent. Rows are made when they are
// sent, so that a subject that changes a hundred times while the keeper has no room is sent once.
internal import Reloader

struct Ledger {
    /// What changes as a whole.
    enum Subject: Hashable {
        case daemon
        case pool
        case slot(Int)
        case releases
        case deploys
        case worker(WorkerID)
        /// The rest of what is kept about workers.
        case workers
        case ports
        /// Processes that are being set up as workers.
        case starts
        /// Calls that were received and are not answered yet.
        case calls
    }

    private var owed: Set<Subject> = []
    private var owesCommit = false
    /// The keeper that has what is not owed; see `Keeper.number`.
    private var keeper: Int?

    /// The subject's row may be another one now.
    mutating func note(_ subject: Subject) { owed.insert(subject) }

    /// Returns true if this keeper has nothing yet: all subjects are owed to it.
    mutating func begins(with keeper: Int) -> Bool {
        if self.keeper == keeper { return false }
        self.keeper = keeper
        owed = []
        return true
    }

    var isEmpty: Bool { owed.isEmpty && !owesCommit }

    /// Takes out a subject to be sent; nil: none is owed.
    mutating func next() -> Subject? {
        guard let subject = owed.popFirst() else { return nil }
        owesCommit = true
        return subject
    }

    /// All that was owed counts at the keeper.
    mutating func committed() { owesCommit = false }
}
