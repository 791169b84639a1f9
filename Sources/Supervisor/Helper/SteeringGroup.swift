// All sockets that listen on one address, in the kernel's order, and the program that chooses among them.
//
// The model follows the kernel's rules (net/core/sock_reuseport.c): a socket that begins to listen is added at the end;
// when a socket leaves, the last one takes its place.
internal import CLinux
internal import Reloader

struct SteeringGroup {
    /// Each knows its place.
    private(set) var members: [SharedSocket] = []
    /// The places among which the kernel's program chooses now.
    private var steeredTo: [UInt32]?
    /// Two or more sockets left before the first was noticed, so the order in the group is unknown from then on and it
    /// can't be steered.
    private(set) var isLost = false

    /// Unknown sockets listen on the address.
    private var hasStrangers = false
    private var choosesNobody = false

    // MARK: for the daemon that comes next

    struct State: Codable {
        /// Numbers of sockets, in the kernel's order.
        let members: [Int]
        let steeredTo: [UInt32]?
        let isLost: Bool
        let hasStrangers: Bool
        let choosesNobody: Bool
    }

    /// - Parameter number: gives each socket a number.
    func state(_ number: (SharedSocket) -> Int?) -> State {
        State(
            members: members.compactMap(number), steeredTo: steeredTo, isLost: isLost, hasStrangers: hasStrangers,
            choosesNobody: choosesNobody)
    }

    init() {}

    /// - Parameter socket: the socket with a number.
    init(_ state: State, _ socket: (Int) -> SharedSocket?) throws(StateError) {
        for number in state.members {
            guard let socket = socket(number) else { throw .malformed("a group of sockets") }
            join(socket)
        }
        steeredTo = state.steeredTo
        isLost = state.isLost
        hasStrangers = state.hasStrangers
        choosesNobody = state.choosesNobody
    }

    /// This daemon goes on where another has died, and what that one did last may not be known.
    mutating func takeOver() {
        steeredTo = nil
        noticeThoseGone()
    }

    // MARK: members

    /// - Parameter members: in the kernel's order.
    init(_ row: GroupRow, members: [SharedSocket]) {
        hasStrangers = row.hasStrangers
        isLost = row.isLost
        self.members = members
    }

    var row: GroupRow { GroupRow(hasStrangers: hasStrangers, isLost: isLost) }

    var isEmpty: Bool { members.isEmpty && !hasStrangers }

    /// An unknown socket is about to join: the order is unknown from now on.
    mutating func admitStranger() {
        hasStrangers = true
        isLost = true
    }

    /// Call it when `socket` has begun to listen.
    mutating func join(_ socket: SharedSocket) {
        socket.hasBecome(member: members.count)
        members.append(socket)
    }

    /// Call it when `socket` has stopped listening.
    mutating func leave(_ socket: SharedSocket) {
        socket.hasBecome(member: nil)
        guard let place = members.firstIndex(where: { $0 === socket }), let last = members.popLast() else { return }
        if place < members.count {
            members[place] = last
            last.hasBecome(member: place)
        }
        // The program's indices now name other sockets than before.
        steeredTo = nil
        if isEmpty { isLost = false }
    }

    /// Shuts `socket` down. Until the next `steer`, new connections go to the sockets whose places in the group don't
    /// change.
    mutating func expel(_ socket: SharedSocket) {
        noticeThoseGone()
        steerToThoseThatStay(without: socket)
        socket.shutDown()
        leave(socket)
    }

    /// The last member is about to take the place of `socket`. For a moment the program would name no socket by the
    /// last place, and the kernel would choose among all, including those that drain; or it would name the wrong
    /// socket.
    private mutating func steerToThoseThatStay(without socket: SharedSocket) {
        guard !isLost, !choosesNobody, let place = members.firstIndex(where: { $0 === socket }), let steeredTo else {
            return
        }
        let moving = [UInt32(place), UInt32(members.count - 1)]
        let staying = steeredTo.filter { !moving.contains($0) }
        // If only the last member is live, that moment can't be avoided.
        if staying.isEmpty || staying == steeredTo { return }
        // A failure here occurs again in the `steer` that follows, and is reported there.
        do throws(SystemError) { try attach(staying) } catch {}
    }

    /// Notices members that a program has shut down itself. Call it before each `join` and `steer`, so that changes are
    /// noted in the kernel's order.
    mutating func noticeThoseGone() {
        let gone = members.filter { !$0.stillListens }
        if gone.count > 1 { isLost = true }
        for socket in gone { leave(socket) }
    }

    /// Spreads new connections over the members that are live. If none is, nothing changes: the queues keep new
    /// connections for the worker that takes them over.
    mutating func steer(isLive: (SharedSocket) -> Bool) throws(SystemError) {
        noticeThoseGone()
        if choosesNobody { return }
        if isLost { return try stopSteering() }
        let live = members.indices.filter { isLive(members[$0]) }.map { UInt32($0) }.prefix(Int(rl_steer_runs_max))
        if !live.isEmpty && steeredTo != Array(live) { try attach(Array(live)) }
    }

    /// Makes the kernel refuse new connections; returns false if it does not support that.
    mutating func chooseNobody() -> Bool {
        guard let speaker, speaker.steerNowhere() else { return false }
        choosesNobody = true
        return true
    }

    private mutating func attach(_ indices: [UInt32]) throws(SystemError) {
        guard let speaker else { return }
        try speaker.steer(to: indices)
        steeredTo = indices
    }

    private mutating func stopSteering() throws(SystemError) {
        guard let speaker, steeredTo != [] else { return }
        steeredTo = []
        try speaker.stopSteering()
    }

    /// The member through which the kernel is told what counts for the whole group.
    private var speaker: SharedSocket? { members.first { !$0.isBarred } }
}
