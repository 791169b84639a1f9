// What the daemon and its keeper say to each other: packets over a unix socket, each one message. A row is put in
// pieces, one packet each, and its descriptors travel with them.

/// The bounds of what a keeper takes: more than any pool needs.
enum KeeperLimits {
    /// Raised when an older keeper, or an older daemon, would misunderstand the other.
    static let version: UInt64 = 1
    /// What one packet holds of a row. Small enough for several to wait in a socket.
    static let pieceBytesMax = 32 << 10
    /// A packet: a piece, with what is said about it.
    static let packetBytesMax = pieceBytesMax + 1024
    static let keyBytesMax = 256
    static let rowBytesMax = 64 << 20
    static let allBytesMax = 256 << 20
    static let rowsMax = 65536
}

/// What becomes of the workers when the daemon dies.
struct KeeperTerms: Equatable {
    /// They end with the daemon: `--orphans stop`.
    var endsWorkers: Bool
    var stopSignal: UInt8
    /// From the stop signal to SIGKILL.
    var stopTimeoutMilliseconds: UInt64
}

/// A process whose life is a reason to keep all rows.
struct KeptProcess: Equatable {
    let pid: Int32
    /// Which descriptor of its row is its pidfd.
    let place: Int
}

enum KeeperMessage: Equatable {
    /// The next piece of a row, which takes the place of one with the same key.
    case put(Piece)
    case remove(key: String)
    /// The rows that were put, and the removals, count from now on, all at once: a daemon that dies before leaves the
    /// state of the commit before.
    case commit
    case terms(KeeperTerms)
    /// The daemon has ended as it should: nothing is to be kept.
    case goodbye
    /// The keeper's first words to a daemon that takes over.
    case hello(version: UInt64, pid: Int32)
    /// The daemon has all rows. `aloneFor`: how long there was none.
    case all(rows: UInt64, aloneForNanoseconds: UInt64)
    /// The workers are being ended, because the daemon has died.
    case isEnding
    /// The keeper's last words: why it gives up.
    case complaint(String)

    struct Piece: Equatable {
        let key: String
        let bytes: ArraySlice<UInt8>
        let isLast: Bool
        /// nil: the row is not that of a process.
        let process: KeptProcess?
    }

    private enum Kind {
        static let put: UInt8 = 1
        static let remove: UInt8 = 2
        static let terms: UInt8 = 3
        static let goodbye: UInt8 = 4
        static let hello: UInt8 = 5
        static let all: UInt8 = 6
        static let isEnding: UInt8 = 7
        static let complaint: UInt8 = 8
        static let commit: UInt8 = 9
    }

    // MARK: writing

    var packet: [UInt8] {
        var writer = StateWriter()
        switch self {
        case .put(let piece):
            writer.byte(Kind.put)
            writer.text(piece.key)
            writer.byte(piece.isLast ? 1 : 0)
            writer.number(piece.process.map { UInt64(UInt32(bitPattern: $0.pid)) } ?? 0)
            writer.number(piece.process.map { UInt64($0.place) } ?? 0)
            writer.block(piece.bytes)
        case .remove(let key):
            writer.byte(Kind.remove)
            writer.text(key)
        case .terms(let terms):
            writer.byte(Kind.terms)
            writer.byte(terms.endsWorkers ? 1 : 0)
            writer.byte(terms.stopSignal)
            writer.number(terms.stopTimeoutMilliseconds)
        case .commit: writer.byte(Kind.commit)
        case .goodbye: writer.byte(Kind.goodbye)
        case .hello(let version, let pid):
            writer.byte(Kind.hello)
            writer.number(version)
            writer.number(UInt64(UInt32(bitPattern: pid)))
        case .all(let rows, let time):
            writer.byte(Kind.all)
            writer.number(rows)
            writer.number(time)
        case .isEnding: writer.byte(Kind.isEnding)
        case .complaint(let words):
            writer.byte(Kind.complaint)
            writer.text(words)
        }
        return writer.bytes
    }

    // MARK: reading

    init(packet: [UInt8]) throws(StateError) {
        var reader = StateReader(packet)
        switch try reader.byte() {
        case Kind.put:
            let key = try Self.key(&reader)
            let isLast = try Self.flag(&reader)
            let (pid, place) = (Int32(exactly: try reader.number()), Int(exactly: try reader.number()))
            guard let pid, let place else { throw .malformed("a process") }
            let process = pid == 0 ? nil : KeptProcess(pid: pid, place: place)
            self = .put(Piece(key: key, bytes: try reader.block(), isLast: isLast, process: process))
        case Kind.remove: self = .remove(key: try Self.key(&reader))
        case Kind.terms:
            let endsWorkers = try Self.flag(&reader)
            let signal = try reader.byte()
            guard (1...64).contains(signal) else { throw .malformed("a signal") }
            self = .terms(
                KeeperTerms(
                    endsWorkers: endsWorkers, stopSignal: signal, stopTimeoutMilliseconds: try reader.number()))
        case Kind.commit: self = .commit
        case Kind.goodbye: self = .goodbye
        case Kind.hello:
            let version = try reader.number()
            guard let pid = Int32(exactly: try reader.number()), pid > 0 else { throw .malformed("a process") }
            self = .hello(version: version, pid: pid)
        case Kind.all: self = .all(rows: try reader.number(), aloneForNanoseconds: try reader.number())
        case Kind.isEnding: self = .isEnding
        case Kind.complaint: self = .complaint(try reader.text())
        case let kind: throw .malformed("no message is of kind \(kind)")
        }
        guard reader.isAtEnd else { throw .malformed("bytes after the end of a message") }
    }

    private static func key(_ reader: inout StateReader) throws(StateError) -> String {
        let key = try reader.text()
        guard (1...KeeperLimits.keyBytesMax).contains(key.utf8.count) else { throw .malformed("a key") }
        return key
    }

    private static func flag(_ reader: inout StateReader) throws(StateError) -> Bool {
        switch try reader.byte() {
        case 0: return false
        case 1: return true
        default: throw .malformed("a flag")
        }
    }
}
