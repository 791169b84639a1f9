// All sockets that listen on one address, in the kernel's own order, and the program that chooses among them.
//
// The kernel's rules (net/core/sock_reuseport.c), which this model follows: a socket that begins to listen is put at
// the end; when one leaves, the last takes its place.
internal import CLinux
internal import Glibc
internal import Reloader

struct SteeringGroup {
    private(set) var members: [SharedSocket] = []
    /// What the kernel's program chooses among now.
    private var steeredTo: [UInt32]?
    /// Two or more left before we knew of the first, so their order, and ours from then on, is unknown: no steering.
    private(set) var isLost = false

    /// Sockets listen on the address that we don't know.
    private var hasStrangers = false
    private var choosesNobody = false

    var isEmpty: Bool { members.isEmpty && !hasStrangers }

    /// A socket that we don't know is about to join: no order is known from now on.
    mutating func admitStranger() {
        hasStrangers = true
        isLost = true
    }

    /// To be called when `socket` has begun to listen.
    mutating func join(_ socket: SharedSocket) {
        socket.isListening = true
        members.append(socket)
    }

    /// To be called when `socket` has ceased to listen.
    mutating func leave(_ socket: SharedSocket) {
        socket.isListening = false
        guard let place = members.firstIndex(where: { $0 === socket }), let last = members.popLast() else { return }
        if place < members.count { members[place] = last }
        // The program's indices now name others than it meant.
        steeredTo = nil
        if isEmpty { isLost = false }
    }

    /// Shuts `socket` down. Until the next `steer`, new connections come to those whose places in the group don't
    /// change.
    mutating func expel(_ socket: SharedSocket) {
        noticeThoseGone()
        steerToThoseThatStay(without: socket)
        socket.shutDown()
        leave(socket)
    }

    /// The last member is about to take the place of `socket`: for a moment the program would name nobody by the last
    /// place, whereupon the kernel chooses among all, the draining ones too; or it would name the wrong one.
    private mutating func steerToThoseThatStay(without socket: SharedSocket) {
        guard !isLost, !choosesNobody, let place = members.firstIndex(where: { $0 === socket }), let steeredTo else {
            return
        }
        let moving = [UInt32(place), UInt32(members.count - 1)]
        let staying = steeredTo.filter { !moving.contains($0) }
        // Where only the last one is live, there is no way around that moment.
        if staying.isEmpty || staying == steeredTo { return }
        // What fails here fails again in the `steer` that follows, and is told there.
        do throws(SystemError) { try attach(staying) } catch {}
    }

    /// Notices members that a program has shut down by itself. Must come before each `join` and `steer`: the order of
    /// things is the kernel's order.
    mutating func noticeThoseGone() {
        let gone = members.filter { $0.queue == nil }
        if gone.count > 1 { isLost = true }
        for socket in gone { leave(socket) }
    }

    /// Spreads new connections over the members that are live; where none is, leaves all as it was: the queues keep
    /// what comes for whoever takes them over.
    mutating func steer(isLive: (SharedSocket) -> Bool) throws(SystemError) {
        noticeThoseGone()
        if choosesNobody { return }
        if isLost { return try stopSteering() }
        let live = members.indices.filter { isLive(members[$0]) }.map { UInt32($0) }.prefix(Int(rl_steer_runs_max))
        if !live.isEmpty && steeredTo != Array(live) { try attach(Array(live)) }
    }

    /// Makes the kernel refuse new connections; false where it does not let us.
    mutating func chooseNobody() -> Bool {
        guard let first = members.first, rl_steer_nowhere(first.number) == 0 else { return false }
        choosesNobody = true
        return true
    }

    private mutating func attach(_ indices: [UInt32]) throws(SystemError) {
        guard let first = members.first else { return }
        let number = first.number
        let isDatagram = first.address.isDatagram
        try checked("setsockopt", "SO_ATTACH_REUSEPORT_CBPF") { rl_steer(number, indices, indices.count, isDatagram) }
        steeredTo = indices
    }

    private mutating func stopSteering() throws(SystemError) {
        guard let first = members.first, steeredTo != [] else { return }
        steeredTo = []
        let number = first.number
        var unused: Int32 = 0
        do throws(SystemError) {
            try checked("setsockopt", "SO_DETACH_REUSEPORT_BPF") {
                setsockopt(number, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused, socklen_t(MemoryLayout<Int32>.size))
            }
        } catch  where error.errno == ENOENT {
        }
    }
}
