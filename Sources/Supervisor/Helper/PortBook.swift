// What is known of the ports that workers share, as plain values: the helper writes it, and sends the daemon each
// change. The daemon's copy is what `status` shows, and what another helper begins with if this one ends.
internal import Reloader

/// A worker, as far as the helper has to know it.
struct Owner: Codable, Hashable {
    let id: WorkerID
    let pid: Int32
    let slot: Int
    /// The number of its generation.
    let generation: Int
}

struct PortBook: Codable, Equatable {
    /// The sockets that are held, by inode.
    var sockets: [UInt64: SocketRow] = [:]
    /// Sockets that were bound and don't listen yet, by inode. They are only noted and not held: if the worker closes
    /// one, it is gone.
    var bound: [UInt64: BoundRow] = [:]
    /// What is known of the groups of which not every member is held.
    var groups: [SharedAddress: GroupRow] = [:]
    /// How often each worker has begun to listen on a port; see `ProbeBook`.
    var begun: [WorkerID: [UInt16: Int]] = [:]
    /// How often a worker is expected to listen on a port only to close it; see `ProbeBook`.
    var probes: [UInt16: Int] = [:]
    /// Privileged ports that workers bound before they were ready; see `PrivilegedPorts`.
    var privileged: Set<SharedPort> = []
    /// When each slot first had a worker that was ready.
    var readySince: [Int: Instant] = [:]

    /// The sockets of the worker that listen.
    func listening(_ worker: WorkerID) -> [SocketRow] {
        sockets.values.filter { $0.owner?.id == worker && $0.isListening }
    }

    /// The addresses that a worker listens on.
    func addresses(of worker: WorkerID) -> Set<SharedAddress> { Set(listening(worker).lazy.map { $0.address }) }

    /// Each address on which workers listen, with those sockets, by port.
    var listening: [(address: SharedAddress, sockets: [SocketRow])] {
        let groups = Dictionary(grouping: sockets.values.filter { $0.isListening }, by: { $0.address })
        return groups.sorted { ($0.key.port, "\($0.key)") < ($1.key.port, "\($1.key)") }.map { ($0.key, $0.value) }
    }

    /// When the next socket that nobody has taken over is to be discarded.
    var nextDeadline: Instant? { sockets.values.lazy.compactMap { $0.leavesAt }.min() }

    mutating func take(_ change: BookChange) {
        switch change {
        case .socket(let row, _): sockets[row.inode] = row
        case .noSocket(let inode): sockets[inode] = nil
        case .bound(let inode, let row): bound[inode] = row
        case .group(let address, let row): groups[address] = row
        case .begun(let worker, let row): begun[worker] = row
        case .probes(let port, let row): probes[port] = row
        case .privileged(let port): privileged.insert(port)
        case .ready(let slot, let since): readySince[slot] = since
        }
    }

    /// All of the book, as changes of an empty one.
    var rows: [BookChange] {
        sockets.values.map { .socket($0, isNew: true) } + changes(since: PortBook())
    }

    /// What has changed since `old`, apart from sockets, which know themselves whether they have.
    func changes(since old: PortBook) -> [BookChange] {
        var changes = Self.differences(old.bound, bound).map { BookChange.bound($0, $1) }
        changes += Self.differences(old.groups, groups).map { .group($0, $1) }
        changes += Self.differences(old.begun, begun).map { .begun($0, $1) }
        changes += Self.differences(old.probes, probes).map { .probes($0, $1) }
        changes += Self.differences(old.readySince, readySince).compactMap { slot, since in
            since.map { .ready(slot, $0) }
        }
        return changes + privileged.subtracting(old.privileged).map { .privileged($0) }
    }

    /// The keys whose values are other ones now. Costs nothing if neither was changed since one was copied from the
    /// other.
    private static func differences<Key, Value: Equatable>(
        _ old: [Key: Value], _ new: [Key: Value]
    ) -> [(Key, Value?)] {
        if old == new { return [] }
        return new.filter { old[$0.key] != $0.value }.map { ($0.key, $0.value) }
            + old.keys.filter { new[$0] == nil }.map { ($0, nil) }
    }
}

/// A socket by which workers share a port.
struct SocketRow: Codable, Equatable {
    let address: SharedAddress
    let inode: UInt64
    let slot: Int
    let listensSince: Instant
    /// nil if the worker is gone or has closed the socket; connections in its queue then wait for another worker.
    var owner: Owner?
    /// The last worker that had it.
    var lastOwner: WorkerID?
    /// Where the socket was last seen among the descriptors of the owner's processes.
    var place: SocketSearch.Place?
    /// The number that the kernel has for it in the group of its address; nil: it does not listen.
    var member: Int?
    /// It lets no new connections in.
    var refuses = false
    /// It has no owner, and is discarded then. nil: it waits for the next worker of its slot.
    var leavesAt: Instant?

    var isListening: Bool { member != nil }
}

struct BoundRow: Codable, Equatable {
    let address: SharedAddress
    let owner: WorkerID
}

struct GroupRow: Codable, Equatable {
    /// Unknown sockets listen on the address.
    var hasStrangers = false
    /// The order in the group is unknown, so that it can't be steered.
    var isLost = false
}

struct SharedPort: Codable, Hashable {
    let number: UInt16
    let isDatagram: Bool
}

/// One change of the book.
enum BookChange: Equatable {
    /// A socket that is new comes with its descriptor.
    case socket(SocketRow, isNew: Bool)
    case noSocket(UInt64)
    case bound(UInt64, BoundRow?)
    case group(SharedAddress, GroupRow?)
    case begun(WorkerID, [UInt16: Int]?)
    case probes(UInt16, Int?)
    case privileged(SharedPort)
    case ready(Int, Instant)
}

// MARK: as bytes

extension Owner: WireValue {
    func write(to bytes: inout [UInt8]) {
        id.write(to: &bytes)
        pid.write(to: &bytes)
        slot.write(to: &bytes)
        generation.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        id = try WorkerID(from: &reader)
        pid = try Int32(from: &reader)
        slot = try Int(from: &reader)
        generation = try Int(from: &reader)
    }
}

extension SocketSearch.Place: WireValue {
    func write(to bytes: inout [UInt8]) {
        process.write(to: &bytes)
        descriptor.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        process = try Int32(from: &reader)
        descriptor = try Int32(from: &reader)
    }
}

extension SocketRow: WireValue {
    func write(to bytes: inout [UInt8]) {
        address.write(to: &bytes)
        inode.write(to: &bytes)
        slot.write(to: &bytes)
        listensSince.write(to: &bytes)
        owner.write(to: &bytes)
        lastOwner.write(to: &bytes)
        place.write(to: &bytes)
        member.write(to: &bytes)
        refuses.write(to: &bytes)
        leavesAt.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        address = try SharedAddress(from: &reader)
        inode = try UInt64(from: &reader)
        slot = try Int(from: &reader)
        listensSince = try Instant(from: &reader)
        owner = try Owner?(from: &reader)
        lastOwner = try WorkerID?(from: &reader)
        place = try SocketSearch.Place?(from: &reader)
        member = try Int?(from: &reader)
        refuses = try Bool(from: &reader)
        leavesAt = try Instant?(from: &reader)
    }
}

extension BoundRow: WireValue {
    func write(to bytes: inout [UInt8]) {
        address.write(to: &bytes)
        owner.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        address = try SharedAddress(from: &reader)
        owner = try WorkerID(from: &reader)
    }
}

extension GroupRow: WireValue {
    func write(to bytes: inout [UInt8]) {
        hasStrangers.write(to: &bytes)
        isLost.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        hasStrangers = try Bool(from: &reader)
        isLost = try Bool(from: &reader)
    }
}

extension SharedPort: WireValue {
    func write(to bytes: inout [UInt8]) {
        number.write(to: &bytes)
        isDatagram.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        number = try UInt16(from: &reader)
        isDatagram = try Bool(from: &reader)
    }
}

extension BookChange: WireValue {
    func write(to bytes: inout [UInt8]) {
        func kind(_ number: UInt8) { number.write(to: &bytes) }
        switch self {
        case .socket(let row, let isNew):
            kind(0)
            row.write(to: &bytes)
            isNew.write(to: &bytes)
        case .noSocket(let inode):
            kind(1)
            inode.write(to: &bytes)
        case .bound(let inode, let row):
            kind(2)
            inode.write(to: &bytes)
            row.write(to: &bytes)
        case .group(let address, let row):
            kind(3)
            address.write(to: &bytes)
            row.write(to: &bytes)
        case .begun(let worker, let row):
            kind(4)
            worker.write(to: &bytes)
            row.write(to: &bytes)
        case .probes(let port, let row):
            kind(5)
            port.write(to: &bytes)
            row.write(to: &bytes)
        case .privileged(let port):
            kind(6)
            port.write(to: &bytes)
        case .ready(let slot, let since):
            kind(7)
            slot.write(to: &bytes)
            since.write(to: &bytes)
        }
    }

    init(from reader: inout WireReader) throws(WireError) {
        switch try UInt8(from: &reader) {
        case 0:
            let row = try SocketRow(from: &reader)
            self = .socket(row, isNew: try Bool(from: &reader))
        case 1: self = .noSocket(try UInt64(from: &reader))
        case 2: self = .bound(try UInt64(from: &reader), try BoundRow?(from: &reader))
        case 3: self = .group(try SharedAddress(from: &reader), try GroupRow?(from: &reader))
        case 4: self = .begun(try WorkerID(from: &reader), try [UInt16: Int]?(from: &reader))
        case 5: self = .probes(try UInt16(from: &reader), try Int?(from: &reader))
        case 6: self = .privileged(try SharedPort(from: &reader))
        case 7: self = .ready(try Int(from: &reader), try Instant(from: &reader))
        default: throw WireError()
        }
    }
}
