// What one worker has left behind: orphans that are proven to be its own, and all that descends from them.

/// Known from the worker's end on, until nothing is left.
struct Leftovers {
    /// Handed to the daemon. They get the stop signal; what descends from them is theirs to end.
    private(set) var orphans: Set<ProcessIdentity> = []
    /// Orphans and descendants, now or earlier: an orphan that was seen among them is the worker's.
    private(set) var seen: Set<ProcessIdentity> = []
    /// Those that live.
    private(set) var living: [ProcessIdentity] = []
    /// They have had their stop signal.
    var asked: Set<ProcessIdentity> = []
    var areAsked = false
    var areKilled = false

    var isEmpty: Bool { orphans.isEmpty }

    mutating func noteDescendants(_ processes: some Sequence<ProcessIdentity>) { seen.formUnion(processes) }

    mutating func set(_ orphans: [ProcessIdentity], families: [ProcessIdentity]) {
        self.orphans = Set(orphans)
        living = families
        seen.formUnion(families)
    }
}
