// How workers get their ports. Decided at the start, for the daemon's whole life.
internal import Glibc
internal import Reloader

enum PortSupply {
    /// All workers accept from the same listeners, which the daemon has opened or was handed.
    case handed([Listener])
    /// Each slot has listeners of its own, which the daemon opens: `--balance slot`.
    case perSlot(SlotListeners)
    /// Workers bind their ports themselves, and the daemon lets them share.
    case shared(PortSharing)
    /// Workers bind as they like, and the daemon does not watch. `because` is what keeps them from sharing; nil if
    /// sharing was not asked for.
    case own(because: SystemError?)

    /// Opens the listeners that workers are handed, or checks whether workers can share ports.
    ///
    /// - Parameter slots: how many there are at the start.
    init(_ settings: Settings, _ environment: Environment, slots: Int) throws(ListenError) {
        let listeners = try Self.open(settings, environment)
        if settings.balance == .slot {
            do throws(ListenError) {
                self = .perSlot(
                    try SlotListeners(first: listeners, specs: settings.listeners, backlog: settings.backlog))
            } catch {
                Self.removeFiles(of: listeners)
                throw error
            }
        } else if !listeners.isEmpty {
            self = .handed(listeners)
        } else if !settings.sharesPorts {
            self = .own(because: nil)
        } else if let obstacle = Self.obstacleToSharing() {
            self = .own(because: obstacle)
        } else {
            let isReadyByListening = settings.ready == .automatic || settings.ready == .listening
            self = .shared(
                PortSharing(
                    excluding: settings.unsharedPorts, udp: settings.sharesUDP, backlog: settings.backlog,
                    privileged: PrivilegedPorts(slots: slots, isReadyByListening: isReadyByListening)))
        }
    }

    // MARK: for the daemon that comes next

    enum State: Codable {
        case handed([Listener.State])
        case perSlot(SlotListeners.State)
        case shared(PortSharing.State)
        case own(because: SystemError?)
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        switch self {
        case .handed(let listeners): .handed(listeners.map { $0.state(&descriptors) })
        case .perSlot(let listeners): .perSlot(listeners.state(&descriptors))
        case .shared(let sharing): .shared(sharing.state(&descriptors))
        case .own(let obstacle): .own(because: obstacle)
        }
    }

    init(_ state: State, of key: String, in rows: StateRows, _ workers: Workers) throws(StateError) {
        switch state {
        case .handed(let states):
            var listeners: [Listener] = []
            for state in states { listeners.append(try Listener(state, of: key, in: rows)) }
            self = .handed(listeners)
        case .perSlot(let state): self = .perSlot(try SlotListeners(state, of: key, in: rows))
        case .shared(let state): self = .shared(try PortSharing(state, of: key, in: rows, workers))
        case .own(let obstacle): self = .own(because: obstacle)
        }
    }

    // MARK: opening

    /// Opens all listeners. Those that an outer supervisor hands over come first, then those of --listen, in order.
    private static func open(_ settings: Settings, _ environment: Environment) throws(ListenError) -> [Listener] {
        var listeners: [Listener] = []
        do throws(ListenError) {
            listeners = try InheritedListeners.take(environment)
            for spec in settings.listeners {
                listeners.append(try Listener(spec, backlog: settings.backlog, reusesPort: settings.balance == .slot))
            }
            return listeners
        } catch {
            removeFiles(of: listeners)
            throw error
        }
    }

    private static func obstacleToSharing() -> SystemError? {
        do throws(SystemError) {
            guard var obstacle = try CallChannel().obstacle() else { return nil }
            if obstacle.errno == EBUSY {
                obstacle.explanation =
                    "an outer reloaderd, or another supervisor of system calls, sees to them already and the kernel "
                    + "allows only one: give the outer reloaderd --no-share"
            }
            return obstacle
        } catch { return error }
    }

    /// The listeners that the daemon holds for all workers, or for the workers of slot 0, in the order in which they
    /// are handed over.
    var listeners: [Listener] {
        switch self {
        case .handed(let listeners): listeners
        case .perSlot(let listeners): listeners.first
        case .shared, .own: []
        }
    }

    var isShared: Bool { if case .shared = self { true } else { false } }

    /// Removes socket files when the daemon fails to start. Errors are ignored: there is no log yet, and the user has
    /// to hear of another error.
    func removeFiles() { Self.removeFiles(of: listeners) }

    private static func removeFiles(of listeners: [Listener]) {
        for listener in listeners { try? listener.removeFile() }
    }
}

extension Settings {
    /// If ports should be shared and can't be, the daemon does not see workers listen, so `auto` has to mean that a
    /// worker has run for a while.
    private static let ageWithoutSharing = Duration.seconds(2)

    /// `policy`, with the values that depend on the machine and on how workers get their ports.
    ///
    /// A surge of 25 % stays nil, the policy's own word for it, so that it follows when the pool is scaled.
    ///
    /// - Parameter automaticWorkers: what `auto` means here.
    func resolvedPolicy(automaticWorkers: Int, ports: PortSupply) -> Policy {
        var policy = policy
        policy.workers = workerCount(automatic: automaticWorkers)
        policy.readiness = readiness(with: ports)
        policy.drain = isEmptied(with: ports) ? .outside(timeout: drainTimeout) : .signal
        policy.surge = surge == .percent(25) ? nil : surge.resolved(workers: policy.workers)
        return policy
    }

    /// - Parameter automatic: what `auto` means here.
    func workerCount(automatic: Int) -> Int {
        switch workers {
        case .automatic: min(max(1, automatic), Policy.workersMax)
        case .fixed(let count): count
        }
    }

    private func readiness(with ports: PortSupply) -> Readiness {
        switch (ready, ports) {
        case (.after(let age), _): .after(age)
        case (.automatic, .own(because: .some)): .after(Self.ageWithoutSharing)
        case (.automatic, .shared), (.listening, .shared): .listening
        case (.automatic, _), (.listening, _), (.message, _): .message
        }
    }

    private func isEmptied(with ports: PortSupply) -> Bool {
        switch (drain, ports) {
        case (.outside, _): true
        // A queue that only its own worker can empty is emptied before the signal, however connections are drained.
        case (.automatic, .shared), (.automatic, .perSlot), (.signal, .shared), (.signal, .perSlot): true
        case (.automatic, .handed), (.automatic, .own), (.signal, .handed), (.signal, .own): false
        }
    }
}
