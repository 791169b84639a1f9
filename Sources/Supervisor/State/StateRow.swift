// The rows of the daemon's state: what the next daemon is told, and the descriptors that it is handed with that. A row
// is one subject that changes as a whole.
internal import Glibc

struct StateRow: Equatable {
    /// The subject, as in `worker/17`. No two rows have the same.
    let key: String
    /// See `StateEncoder`.
    let bytes: [UInt8]
    /// Open in this process, and owned by the room that has made the row. The bytes name them by their places here.
    let descriptors: [Int32]

    init(key: String, bytes: [UInt8], descriptors: [Int32]) {
        self.key = key
        self.bytes = bytes
        self.descriptors = descriptors
    }

    /// - Parameter descriptors: those that `value` names by their places.
    init(
        _ key: String, _ value: some Encodable, _ descriptors: RowDescriptors = RowDescriptors()
    ) throws(StateError) {
        self.init(key: key, bytes: try StateEncoder.encode(value), descriptors: descriptors.numbers)
    }
}

/// The descriptors of a row that is being made.
struct RowDescriptors {
    /// A descriptor's place in its row.
    typealias Place = Int

    private(set) var numbers: [Int32] = []

    /// Returns the place by which the row's value names the descriptor.
    mutating func add(_ number: Int32) -> Place {
        numbers.append(number)
        return numbers.count - 1
    }

    /// nil if there is no descriptor.
    mutating func add(_ number: Int32?) -> Place? { number.map { add($0) as Place } }
}

/// The rows that a daemon begins with, and the descriptors that came with them. Whatever goes wrong while it begins, no
/// row and no descriptor is lost: the rooms get duplicates, and the originals are closed when all has gone well.
final class StateRows {
    private var rows: [String: StateRow] = [:]

    /// Takes over the descriptors of all rows.
    init(_ rows: [StateRow]) { for row in rows { self.rows[row.key] = row } }

    /// Whether there is such a row.
    func has(_ key: String) -> Bool { rows[key] != nil }

    /// The keys that begin with `prefix`, in the order of their numbers.
    func keys(_ prefix: String) -> [String] {
        rows.keys.filter { $0.hasPrefix(prefix) }.sorted {
            ($0.utf8.count, $0) < ($1.utf8.count, $1)
        }
    }

    /// The value of a row.
    func value<Value: Decodable>(_ type: Value.Type, _ key: String) throws(StateError) -> Value {
        guard let row = rows[key] else { throw .malformed("it has no row \(printable(key))") }
        do throws(StateError) { return try StateDecoder.decode(type, from: row.bytes) } catch {
            throw StateError("\(error) (row \(printable(key)))")
        }
    }

    /// A duplicate of a descriptor of a row, close-on-exec, under a number from `from` up, if one is free.
    func descriptor(
        _ place: RowDescriptors.Place, of key: String, from: Int32 = 0
    ) throws(StateError) -> FileDescriptor {
        guard let descriptors = rows[key]?.descriptors, descriptors.indices.contains(place) else {
            throw .malformed("row \(printable(key)) has no descriptor \(place)")
        }
        let number = descriptors[place]
        do throws(SystemError) {
            return FileDescriptor(
                owning: try checked("fcntl", "F_DUPFD_CLOEXEC") { fcntl(number, F_DUPFD_CLOEXEC, from) })
        } catch { throw StateError("a descriptor of row \(printable(key)): \(error)") }
    }

    /// Closes the originals: nothing can go wrong any more.
    func closeOriginals() {
        for number in Set(rows.values.lazy.flatMap { $0.descriptors }) where number > 2 { close(number) }
        rows = [:]
    }
}
