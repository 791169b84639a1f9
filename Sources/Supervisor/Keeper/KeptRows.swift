// The keeper's table: rows with their descriptors, which stay open as long as the rows are kept.
internal import Glibc

struct KeptRows: ~Copyable {
    private struct Kept {
        let row: StateRow
        let process: KeptProcess?
    }

    private enum Change {
        case put(RowAssembly.Complete)
        case remove(String)
    }

    private var rows: [String: Kept] = [:]
    private var bytes = 0
    /// What has come since the last commit.
    private var changes: [Change] = []
    private var changedBytes = 0

    var count: Int { rows.count }

    var keys: [String] { Array(rows.keys) }

    // MARK: changes

    /// Takes over the row and its descriptors. It counts from the next commit on.
    mutating func put(_ complete: RowAssembly.Complete) throws(StateError) {
        changes.append(.put(complete))
        changedBytes += complete.row.bytes.count
        try check(bytes: changedBytes, rows: changes.count)
    }

    /// Means nothing if there is no such row. It counts from the next commit on.
    mutating func remove(_ key: String) throws(StateError) {
        changes.append(.remove(key))
        try check(bytes: changedBytes, rows: changes.count)
    }

    /// All changes count from now on: the rows are those of one moment again.
    mutating func commit() throws(StateError) {
        for change in changes {
            switch change {
            case .put(let complete):
                drop(complete.row.key)
                rows[complete.row.key] = Kept(row: complete.row, process: complete.process)
                bytes += complete.row.bytes.count
            case .remove(let key): drop(key)
            }
        }
        // The first commit is a large one, and its room is not needed again.
        changes = []
        changedBytes = 0
        try check(bytes: bytes, rows: rows.count)
    }

    /// Forgets the changes since the last commit: they are not all that was to be changed.
    mutating func forgetChanges() {
        for number in Self.descriptors(of: changes) { close(number) }
        changes = []
        changedBytes = 0
    }

    private mutating func drop(_ key: String) {
        guard let kept = rows.removeValue(forKey: key) else { return }
        bytes -= kept.row.bytes.count
        for number in kept.row.descriptors { close(number) }
    }

    private func check(bytes: Int, rows: Int) throws(StateError) {
        guard bytes <= KeeperLimits.allBytesMax, rows <= KeeperLimits.rowsMax else {
            throw .malformed("there is too much of it")
        }
    }

    private static func descriptors(of changes: [Change]) -> [Int32] {
        changes.flatMap { change -> [Int32] in
            if case .put(let complete) = change { complete.row.descriptors } else { [] }
        }
    }

    // MARK: what is kept

    /// The row, to be sent; nil if there is none.
    func sending(_ key: String) -> RowSending? { rows[key].map { RowSending($0.row, process: $0.process) } }

    /// The processes whose lives are a reason to keep the rows.
    var processes: [(pid: Int32, pidfd: Int32)] {
        rows.values.compactMap { kept in kept.process.map { ($0.pid, kept.row.descriptors[$0.place]) } }
    }

    deinit {
        for number in rows.values.flatMap({ $0.row.descriptors }) + Self.descriptors(of: changes) { close(number) }
    }
}
