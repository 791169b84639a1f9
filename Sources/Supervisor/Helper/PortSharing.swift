// Lets workers that know nothing of each other bind the same port: each keeps a socket of its own, and a reuseport
// group spreads connections over the workers that serve. A worker is a whole process tree: the sockets of its
// descendants count as its own. This file knows sockets and addresses, and is told which workers serve. SharedSockets
// keeps the sockets that are held here.
internal import CLinux
internal import Glibc
internal import Reloader

/// How to answer a call in which a worker waits, and what the call has led to.
struct CallOutcome: Equatable {
    /// 0 or an errno if the call was carried out here; nil if the kernel is to carry it out as it is.
    var result: Int32?
    /// The address on which the worker listens, or receives datagrams, from now on.
    var began: SharedAddress?
    /// An earlier worker closed its socket again at this point of its start.
    var isProbe = false
    /// The address that was refused because it is in use.
    var refused: SharedAddress?
    /// Worth telling once of each worker.
    var trouble: CallTrouble?

    static let proceed = CallOutcome()

    static func done(_ result: Int32, began: SharedAddress? = nil) -> CallOutcome {
        CallOutcome(result: result, began: began)
    }

    /// The call was carried out here and has failed.
    static func failed(_ errno: Int32, on address: SharedAddress) -> CallOutcome {
        CallOutcome(result: errno, refused: errno == EADDRINUSE ? address : nil)
    }
}

final class PortSharing {
    /// How many sockets of one worker are held, so that no worker can use up the daemon's descriptors. If a
    /// socket on an address is not held, the kernel alone chooses where connections to this address go.
    static let copiesMax = 256
    /// How many sockets of one worker that are bound and don't listen are remembered; further ones are bound as if the
    /// daemon did not watch.
    static let boundMax = 1024

    let sockets: SharedSockets
    private let excluded: [ListenAddress]
    private let sharesUDP: Bool
    private let backlog: Int32
    private let mark: TouchMark
    private var bound: [UInt64: BoundRow] = [:]
    private var probes = ProbeBook()
    private var privileged: PrivilegedPorts
    /// The book without its sockets, as the daemon has it.
    private var sent = PortBook()

    init(_ terms: HelperTerms, _ mark: TouchMark) {
        self.mark = mark
        sockets = SharedSockets(mark)
        privileged = PrivilegedPorts(slots: terms.slots, isReadyByListening: terms.isReadyByListening)
        excluded = terms.excluded
        backlog = terms.backlog
        sharesUDP = terms.sharesUDP
    }

    // MARK: the book

    /// Takes over what an earlier helper has left.
    func restore(_ book: PortBook, _ rows: [(row: SocketRow, channel: Channel?)]) {
        bound = book.bound
        probes = ProbeBook(expected: book.probes, begun: book.begun)
        privileged.restore(book.privileged, book.readySince)
        sockets.restore(rows, book.groups)
        sent = self.book
    }

    private var book: PortBook {
        var book = PortBook()
        book.bound = bound
        book.groups = sockets.groupRows
        book.begun = probes.begun
        book.probes = probes.expected
        book.privileged = privileged.learned
        book.readySince = privileged.readySince
        return book
    }

    /// What has changed since the last call, and the descriptors of the sockets that are new or gone.
    func takeChanges() -> [(change: BookChange, channel: Channel?)] {
        let book = book
        defer { sent = book }
        return sockets.takeChanges() + book.changes(since: sent).map { ($0, nil) }
    }

    // MARK: calls of workers

    /// - Parameter kin: processes that may have been started by the worker's own before those ended; nil: they can't be
    ///   seen.
    func bind(
        _ call: WaitingCall, by worker: Owner, _ notifications: Int32, _ terms: CallTerms, kin: () -> [Int32]?,
        at now: Instant
    ) -> CallOutcome {
        do throws(Caller.Obstacle) {
            let caller = try Caller(call, notifications)
            return bind(try caller.socket(), worker, caller, terms, kin, at: now)
        } catch {
            return outcome(of: error, isOurs: isShared(Caller.address(of: call)))
        }
    }

    func listen(
        _ call: WaitingCall, by worker: Owner, _ notifications: Int32, _ terms: CallTerms, at now: Instant
    ) -> CallOutcome {
        do throws(Caller.Obstacle) {
            let caller = try Caller(call, notifications)
            return listen(try caller.socket(), worker, caller, call, terms, at: now)
        } catch {
            let inode = OpenSockets.inode(of: call.thread, call.descriptor)
            return outcome(of: error, isOurs: inode.map { bound[$0] != nil } ?? false)
        }
    }

    /// The address may be one that workers share: what kind of socket it is for is not known.
    private func isShared(_ raw: [UInt8]?) -> Bool {
        guard let raw, let address = SharedAddress(raw, isIPv6Only: false) else { return false }
        return !excluded.contains(where: address.matches)
    }

    /// - Parameter isOurs: if the kernel carried the call out, the port would not be shared.
    private func outcome(of obstacle: Caller.Obstacle, isOurs: Bool) -> CallOutcome {
        switch obstacle {
        case .unreachable: .proceed
        case .ownTable: CallOutcome(trouble: isOurs ? .ownTable : nil)
        case .shortage(let error):
            isOurs ? CallOutcome(result: error.errno, trouble: .shortage(error)) : .proceed
        }
    }

    private func bind(
        _ taken: consuming TakenSocket, _ worker: Owner, _ caller: borrowing Caller,
        _ terms: CallTerms, _ kin: () -> [Int32]?, at now: Instant
    ) -> CallOutcome {
        guard let raw = caller.address, taken.isTCP || sharesUDP && taken.isUDP,
            let address = SharedAddress(raw, isIPv6Only: taken.isIPv6Only, isDatagram: !taken.isTCP),
            !excluded.contains(where: address.matches)
        else { return .proceed }
        guard privileged.permits(address, to: caller.thread, of: worker, named: Set(terms.permitted), at: now) else {
            return CallOutcome(trouble: .notPermitted(address))
        }
        let inode = taken.inode
        if terms.isRepeated, let socket = sockets.all.first(where: { $0.inode == inode }), socket.owner == nil {
            // An earlier helper has put it there.
            return tookOver(socket, worker, caller)
        }
        // The socket is bound already: the kernel returns the right error.
        if bound[inode] != nil || sockets.all.contains(where: { $0.inode == inode }) { return .proceed }
        letGoOfClosed(by: worker, kin: kin, at: now)
        if !taken.reusesPort && hasOpen(address, worker, kin) { return .done(EADDRINUSE) }
        if let socket = sockets.waiting(address, slot: worker.slot) { return handOver(socket, to: worker, caller) }
        sockets.discardEmpty(address, slot: worker.slot)
        if bound.values.count(where: { $0.owner == worker.id }) >= Self.boundMax { return .proceed }
        return bind(taken, raw, address, worker, caller, terms, at: now)
    }

    private func listen(
        _ taken: consuming TakenSocket, _ worker: Owner, _ caller: borrowing Caller, _ call: WaitingCall,
        _ terms: CallTerms, at now: Instant
    ) -> CallOutcome {
        let inode = taken.inode
        let place = caller.place
        if let socket = sockets.all.first(where: { $0.inode == inode && $0.owner == worker }) {
            socket.belongs(to: worker, in: place)
            return listen(socket, of: worker, call)
        }
        guard let note = bound[inode], note.owner == worker.id else { return .proceed }
        if !hasRoom(for: worker, terms) {
            bound[inode] = nil
            sockets.admitStranger(on: note.address)
            return CallOutcome(began: note.address, trouble: .notHeld(note.address))
        }
        let socket = SharedSocket(
            taken.takeDescriptor(), address: note.address, inode: inode, owner: worker, place: place, at: now, mark)
        let outcome = listen(socket, of: worker, call)
        guard outcome.began != nil else { return outcome }
        bound[inode] = nil
        sockets.hold(socket)
        return outcome
    }

    /// Whether another socket of the worker may be held.
    private func hasRoom(for worker: Owner, _ terms: CallTerms) -> Bool {
        sockets.of(worker.id).count < terms.copiesMax
    }

    private func listen(_ socket: SharedSocket, of worker: Owner, _ call: WaitingCall) -> CallOutcome {
        sockets.noticeThoseGone(from: socket.address)
        if !socket.isListening { keepClientsFromProbe(socket, of: worker) }
        // A negative number is the kernel's own maximum.
        let asked = Int32(truncatingIfNeeded: call.number)
        guard Glibc.listen(socket.number, asked < 0 ? asked : max(asked, backlog)) == 0 else {
            return .failed(errno, on: socket.address)
        }
        if !socket.isListening { join(socket, of: worker) }
        return began(socket.address, by: worker)
    }

    private func began(_ address: SharedAddress, by worker: Owner) -> CallOutcome {
        var outcome = CallOutcome.done(0, began: address)
        let addresses = sockets.addresses(of: worker.id).union([address])
        outcome.isProbe = addresses.contains { probes.isProbe(worker.id, on: $0.port) }
        return outcome
    }

    /// A socket that will soon be closed again would take clients with it if no other socket of the group can be chosen
    /// instead.
    private func keepClientsFromProbe(_ socket: SharedSocket, of worker: Owner) {
        guard probes.willProbe(worker.id, on: socket.address.port), sockets.nobodyListens(on: socket.address) else {
            return
        }
        // If that fails, clients still reach it, as they would have anyway.
        do throws(SystemError) { try socket.refuse() } catch {}
    }

    private func join(_ socket: SharedSocket, of worker: Owner) {
        sockets.join(socket)
        probes.began(worker.id, on: socket.address.port)
    }

    private func bind(
        _ taken: consuming TakenSocket, _ raw: [UInt8], _ address: SharedAddress, _ worker: Owner,
        _ caller: borrowing Caller, _ terms: CallTerms, at now: Instant
    ) -> CallOutcome {
        let number = taken.descriptor.number
        let inode = taken.inode
        // The first socket of a port is bound as the program asked for: with SO_REUSEPORT it would share the port with
        // any other process of this user that sets it too, such as another reloaderd, instead of learning that the port
        // is taken. (A datagram socket can't join a group afterwards.)
        let isFirst = !address.isDatagram && !isInUse(address.port)
        if !isFirst, let error = Self.reusePort(number) { return .done(error) }
        let isBound = terms.isRepeated && isBound(taken.descriptor, to: address)
        let status = isBound ? 0 : bind(number, raw)
        if status != 0 {
            let error = errno
            guard isFirst, error == EADDRINUSE, sockets.mayBeLeaving(address.port, at: now) else {
                return .failed(error, on: address)
            }
            // In the way may be one that has just been let go, and whose port is shared.
            if let error = Self.reusePort(number) { return .done(error) }
            guard bind(number, raw) == 0 else { return .failed(errno, on: address) }
        }
        if isFirst, let error = Self.reusePort(number) { return .done(error) }
        privileged.bound(address, by: worker, at: now)
        guard address.isDatagram else {
            bound[inode] = BoundRow(address: address, owner: worker.id)
            return .done(0)
        }
        // A datagram socket receives from now on, without a call of listen.
        if !hasRoom(for: worker, terms) {
            sockets.admitStranger(on: address)
            return .done(0, began: address)
        }
        let socket = SharedSocket(
            taken.takeDescriptor(), address: address, inode: inode, owner: worker, place: caller.place, at: now, mark)
        sockets.hold(socket)
        join(socket, of: worker)
        return began(address, by: worker)
    }

    /// An earlier helper has bound the socket for this call.
    private func isBound(_ socket: borrowing FileDescriptor, to address: SharedAddress) -> Bool {
        do throws(SystemError) { return try SocketAddress.port(of: socket) == address.port } catch { return false }
    }

    private func bind(_ number: Int32, _ raw: [UInt8]) -> Int32 {
        raw.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { Glibc.bind(number, $0.baseAddress, socklen_t(raw.count)) }
        }
    }

    private static func reusePort(_ number: Int32) -> Int32? {
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        return setsockopt(number, SOL_SOCKET, SO_REUSEPORT, &one, size) == 0 ? nil : errno
    }

    private func isInUse(_ port: UInt16) -> Bool {
        sockets.all.contains { $0.address.port == port } || bound.values.contains { $0.address.port == port }
    }

    /// Whether the worker has a socket on this address that it has not closed. Another bind is then refused, as it
    /// would be without the daemon.
    private func hasOpen(_ address: SharedAddress, _ worker: Owner, _ kin: () -> [Int32]?) -> Bool {
        if sockets.all.contains(where: { $0.owner == worker && $0.address == address }) { return true }
        for (inode, note) in bound where note.owner == worker.id && note.address == address {
            if SocketSearch.search(inode, of: worker.pid, kin: kin()) != .nowhere { return true }
            bound[inode] = nil
        }
        return false
    }

    private func handOver(
        _ socket: SharedSocket, to worker: Owner, _ caller: borrowing Caller
    ) -> CallOutcome {
        do throws(SystemError) {
            try socket.admit()
            try caller.replaceSocket(by: socket.channel.descriptor)
        } catch { return .done(error.errno) }
        return tookOver(socket, worker, caller)
    }

    private func tookOver(_ socket: SharedSocket, _ worker: Owner, _ caller: borrowing Caller) -> CallOutcome {
        socket.belongs(to: worker, in: caller.place)
        sockets.keep(socket)
        probes.began(worker.id, on: socket.address.port)
        return socket.address.isDatagram ? began(socket.address, by: worker) : .done(0)
    }

    // MARK: news from the daemon

    /// Finds the sockets that the worker has closed and lets go of them.
    func letGoOfClosed(by worker: Owner, kin: () -> [Int32]?, at now: Instant) {
        for socket in sockets.of(worker.id) where socket.isClosed(kin: kin) {
            probes.closed(worker.id, socket.address.port, after: now - socket.row.listensSince)
            sockets.letGo(socket, at: now)
        }
    }

    /// Call it when the worker is ready: it keeps the sockets that it has open, and the sockets of earlier workers of
    /// its slot that it has not taken over are let go.
    func workerIsReady(_ worker: Owner, kin: () -> [Int32]?, at now: Instant) {
        privileged.workerIsReady(in: worker.slot, at: now)
        letGoOfClosed(by: worker, kin: kin, at: now)
        probes.settled(worker.id, on: Set(sockets.addresses(of: worker.id).map { $0.port }))
        for socket in sockets.of(worker.id) {
            do throws(SystemError) { try socket.admit() } catch { sockets.discard(socket) }
        }
        sockets.letGoOfOrphans(slot: worker.slot, at: now)
    }

    func workerIsGone(_ worker: WorkerID, _ succession: PortSuccession, at now: Instant) {
        probes.forget(worker)
        for (inode, note) in bound where note.owner == worker { bound[inode] = nil }
        for socket in sockets.of(worker) {
            switch succession {
            case .awaited where socket.queue != nil: socket.loseOwner()
            case .awaited, .none: sockets.discard(socket)
            case .done: sockets.letGo(socket, at: now)
            }
        }
    }
}
