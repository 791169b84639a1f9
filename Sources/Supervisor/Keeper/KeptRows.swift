// The keeper's table: rows with their descriptors, which stay open as long as the rows are kept.
internal import Glibc

struct KeptRows: ~Copyable {
    private struct Kept {
        let row: StateRow
        let process: KeptProcess?
    }

    private var rows: [String: Kept] = [:]
    private var bytes = 0

    var count: Int { rows.count }

    var keys: [String] { Array(rows.keys) }

    /// Takes over the row and its descriptors.
    mutating func put(_ complete: RowAssembly.Complete) throws(StateError) {
        let row = complete.row
        remove(row.key)
        rows[row.key] = Kept(row: row, process: complete.process)
        bytes += row.bytes.count
        guard bytes <= KeeperLimits.allBytesMax, rows.count <= KeeperLimits.rowsMax else {
            throw .malformed("there is too much of it")
        }
    }

    /// Does nothing if there is no such row.
    mutating func remove(_ key: String) {
        guard let kept = rows.removeValue(forKey: key) else { return }
        bytes -= kept.row.bytes.count
        for number in kept.row.descriptors { close(number) }
    }

    /// The row, to be sent; nil if there is none.
    func sending(_ key: String) -> RowSending? { rows[key].map { RowSending($0.row, process: $0.process) } }

    /// The processes whose lives are a reason to keep the rows.
    var processes: [(pid: Int32, pidfd: Int32)] {
        rows.values.compactMap { kept in kept.process.map { ($0.pid, kept.row.descriptors[$0.place]) } }
    }

    deinit { for number in rows.values.flatMap({ $0.row.descriptors }) { close(number) } }
}
