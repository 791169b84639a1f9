// A row on its way through a packet socket, in pieces, and put together again at the other end.
internal import CLinux
internal import Glibc

/// Sends one row. If the socket is full, it is gone on with when there is room.
struct RowSending {
    let key: String
    private let bytes: [UInt8]
    private let process: KeptProcess?
    private var bytesSent = 0
    private var descriptors: ArraySlice<Int32>

    /// - Parameters:
    ///   - descriptors: must stay open until the row is sent.
    ///   - process: see `KeeperMessage.Piece`.
    init(_ row: StateRow, process: KeptProcess?) {
        key = row.key
        bytes = row.bytes
        self.process = process
        descriptors = row.descriptors[...]
    }

    /// Puts duplicates in the place of the descriptors that are not sent yet, and returns them: they must stay open
    /// until the row is sent.
    mutating func duplicateDescriptors() throws(SystemError) -> [Channel] {
        var duplicates: [Channel] = []
        for number in descriptors {
            let copy = try checked("fcntl", "F_DUPFD_CLOEXEC") { fcntl(number, F_DUPFD_CLOEXEC, 0) }
            duplicates.append(Channel(FileDescriptor(owning: copy)))
        }
        descriptors = duplicates.map { $0.number }[...]
        return duplicates
    }

    /// Sends what there is room for. Returns true if the row is sent.
    mutating func send(to socket: Int32) throws(SystemError) -> Bool {
        while true {
            let count = min(KeeperLimits.pieceBytesMax, bytes.count - bytesSent)
            let given = Array(descriptors.prefix(Int(rl_packet_descriptors_max)))
            let isLast = bytesSent + count == bytes.count && given.count == descriptors.count
            let piece = KeeperMessage.Piece(
                key: key, bytes: bytes[bytesSent..<bytesSent + count], isLast: isLast, process: process)
            guard try sendPacket(.put(piece), given, to: socket) else { return false }
            if isLast { return true }
            bytesSent += count
            descriptors = descriptors.dropFirst(given.count)
        }
    }
}

/// Sends a message. Returns false if there is no room now.
func sendPacket(
    _ message: KeeperMessage, _ descriptors: [Int32] = [], to socket: Int32
) throws(SystemError) -> Bool {
    let packet = message.packet
    do throws(SystemError) {
        return try checkedUnlessWouldBlock("sendmsg", "the keeper's socket") {
            rl_send_packet(socket, packet, packet.count, descriptors, descriptors.count, false)
        } != nil
    } catch  where error.errno == ETOOMANYREFS {
        // More descriptors of this user are on their way than one process may have open.
        return false
    }
}

/// A message as it was received, with the descriptors that came with it.
struct ReceivedPacket {
    let message: KeeperMessage
    /// The receiver owns them.
    let descriptors: [Int32]

    enum Outcome {
        case packet(ReceivedPacket)
        case nothing
        case end
    }

    /// Receives the next one.
    ///
    /// - Throws: also if what came is malformed; its descriptors are closed then.
    static func receive(from socket: Int32, _ buffer: UnsafeMutableRawBufferPointer) throws(StateError) -> Outcome {
        var descriptors = [Int32](repeating: -1, count: Int(rl_packet_descriptors_max))
        var count = 0
        let size: Int?
        do throws(SystemError) {
            size = try checkedUnlessWouldBlock("recvmsg", "the keeper's socket") {
                rl_receive_whole_packet(socket, buffer.baseAddress, buffer.count, &descriptors, &count)
            }
        } catch {
            if error.errno == ECONNRESET { return .end }
            throw StateError(error)
        }
        guard let size else { return .nothing }
        let received = Array(descriptors.prefix(count))
        if size == 0 {
            for number in received { close(number) }
            return .end
        }
        do throws(StateError) {
            let message = try KeeperMessage(packet: Array(buffer[..<size]))
            if case .put = message {} else if count > 0 { throw .malformed("descriptors that belong to no row") }
            return .packet(ReceivedPacket(message: message, descriptors: received))
        } catch {
            for number in received { close(number) }
            throw error
        }
    }
}

/// Puts the pieces of rows together. Owns the descriptors that it holds.
struct RowAssembly: ~Copyable {
    private var key: String?
    private var bytes: [UInt8] = []
    private var descriptors: [Int32] = []

    /// A row that is complete. The receiver owns its descriptors.
    struct Complete {
        let row: StateRow
        let process: KeptProcess?
    }

    /// Takes the next piece over; returns the row when it is complete.
    mutating func add(_ piece: KeeperMessage.Piece, _ given: [Int32]) throws(StateError) -> Complete? {
        // Another key: the sender has given up the row before.
        if key != piece.key { clear() }
        key = piece.key
        descriptors += given
        guard bytes.count + piece.bytes.count <= KeeperLimits.rowBytesMax else {
            clear()
            throw .malformed("a row is too large")
        }
        bytes += piece.bytes
        guard piece.isLast else { return nil }
        guard piece.process.map({ descriptors.indices.contains($0.place) }) ?? true else {
            clear()
            throw .malformed("a process without a descriptor")
        }
        let row = StateRow(key: piece.key, bytes: bytes, descriptors: descriptors)
        (key, bytes, descriptors) = (nil, [], [])
        return Complete(row: row, process: piece.process)
    }

    private mutating func clear() {
        for number in descriptors { close(number) }
        (key, bytes, descriptors) = (nil, [], [])
    }

    deinit { for number in descriptors { close(number) } }
}
