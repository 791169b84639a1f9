// `--balance slot`: each slot has listeners of its own for the addresses of --listen, and the slot's next worker gets
// the same ones, so that no queue is ever lost. New connections are spread over the slots that serve.
internal import Glibc
internal import Reloader

final class SlotListeners {
    private let specs: [ListenSpec]
    private let backlog: Int32
    /// By listener: slot 0's own, or one that all slots share (a unix socket, UDP, or a socket that was handed over).
    let first: [Listener]
    /// By slot, then by listener; nil if all slots share the listener.
    private var sockets: [Int: [SharedSocket?]] = [:]
    private var groups: [SteeringGroup]

    /// - Parameters:
    ///   - first: listeners that are already open; those of `specs` are the last, and have SO_REUSEPORT set.
    ///   - specs: the addresses on which further slots listen.
    init(first: [Listener], specs: [ListenSpec], backlog: Int32) throws(ListenError) {
        self.first = first
        self.specs = specs
        self.backlog = backlog
        groups = [SteeringGroup](repeating: SteeringGroup(), count: first.count)
        var own: [SharedSocket?] = []
        for (index, listener) in first.enumerated() {
            own.append(isPerSlot(index) ? try socket(listener, slot: 0) : nil)
        }
        enter(own, slot: 0)
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let specs: [ListenSpec]
        let backlog: Int32
        let first: [Listener.State]
        /// By slot, then by listener.
        let sockets: [Int: [RowDescriptors.Place?]]
        /// By listener. The number of a socket is its slot.
        let groups: [SteeringGroup.State]
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        let first = first.map { $0.state(&descriptors) }
        var places: [Int: [RowDescriptors.Place?]] = [:]
        for (slot, own) in sockets { places[slot] = own.map { descriptors.add($0?.number) } }
        return State(
            specs: specs, backlog: backlog, first: first, sockets: places,
            groups: groups.map { group in group.state { $0.slot } })
    }

    init(_ state: State, of key: String, in rows: StateRows) throws(StateError) {
        specs = state.specs
        backlog = state.backlog
        var first: [Listener] = []
        for listener in state.first { first.append(try Listener(listener, of: key, in: rows)) }
        self.first = first
        var sockets: [Int: [SharedSocket?]] = [:]
        for (slot, places) in state.sockets {
            sockets[slot] = []
            for place in places {
                sockets[slot]?.append(
                    try place.map { place throws(StateError) in
                        let descriptor = try rows.descriptor(place, of: key)
                        do throws(SystemError) {
                            return try SharedSocket(listening: Channel(descriptor), slot: slot)
                        } catch { throw StateError(error) }
                    })
            }
        }
        self.sockets = sockets
        let all = sockets
        groups = []
        guard state.groups.count == first.count, specs.count <= first.count,
            all.values.allSatisfy({ $0.count == first.count })
        else { throw .malformed("the listeners of slots") }
        for (index, group) in state.groups.enumerated() {
            groups.append(try SteeringGroup(group) { all[$0]?[index] ?? nil })
        }
    }

    /// See `SteeringGroup.takeOver`.
    func takeOver() { for index in groups.indices { groups[index].takeOver() } }

    // MARK: listeners

    /// The listeners that a worker of `slot` gets as its descriptors 3, 4, … They are opened for the slot's first
    /// worker.
    func descriptors(of slot: Int) throws(ListenError) -> [Int32] {
        if sockets[slot] == nil {
            var own: [SharedSocket?] = []
            for index in first.indices {
                guard isPerSlot(index) else {
                    own.append(nil)
                    continue
                }
                let spec = ListenSpec(address: first[index].address ?? specs[index - inheritedCount].address)
                own.append(try socket(try Listener(spec, backlog: backlog, reusesPort: true), slot: slot))
            }
            enter(own, slot: slot)
        }
        let own = sockets[slot] ?? []
        return first.indices.map { own[$0]?.number ?? first[$0].descriptor.number }
    }

    func sockets(of slot: Int) -> [SharedSocket] { (sockets[slot] ?? []).compactMap { $0 } }

    /// Steers new connections to the slots that serve. Returns the failures.
    func steer(to serving: Set<Int>) -> [SystemError] {
        var failures: [SystemError] = []
        for index in groups.indices {
            do throws(SystemError) {
                try groups[index].steer { serving.contains($0.slot) }
            } catch { failures.append(error) }
        }
        return failures
    }

    /// Closes the listeners of a slot that was removed and whose queues are empty. Slot 0 is never removed.
    ///
    /// - Returns: those that don't listen any more. To close what their worker has made of them may take for ever.
    func close(_ slot: Int) -> [Channel] {
        guard slot > 0, let own = sockets.removeValue(forKey: slot) else { return [] }
        var turned: [Channel] = []
        for (index, socket) in own.enumerated() {
            guard let socket else { continue }
            if socket.stillListens {
                groups[index].expel(socket)
            } else {
                groups[index].leave(socket)
                turned.append(socket.channel)
            }
        }
        return turned
    }

    /// The listeners of all slots that don't listen any more.
    var turned: [Channel] { sockets.values.joined().compactMap { $0 }.filter { !$0.stillListens }.map { $0.channel } }

    private var inheritedCount: Int { first.count - specs.count }

    private func isPerSlot(_ index: Int) -> Bool {
        guard index >= inheritedCount else { return false }
        switch specs[index - inheritedCount].address {
        case .tcpAny, .tcp4, .tcp6: return true
        case .udpAny, .udp4, .udp6, .unix: return false
        }
    }

    private func socket(_ listener: Listener, slot: Int) throws(ListenError) -> SharedSocket {
        do throws(SystemError) {
            return try SharedSocket(listening: Channel(try listener.descriptor.duplicate()), slot: slot)
        } catch { throw .failed(address: listener.label, error) }
    }

    private func enter(_ own: [SharedSocket?], slot: Int) {
        for (index, socket) in own.enumerated() {
            if let socket { groups[index].join(socket) }
        }
        sockets[slot] = own
    }
}
