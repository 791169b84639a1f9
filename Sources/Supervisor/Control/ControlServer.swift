// The control interface as a whole: its socket, its clients, and what they may ask about the past. Holds, bounds and
// passes on; what is to be done is in Daemon+Control and Daemon+Requests.
internal import Glibc
internal import Reloader

final class ControlServer {
    /// nil: there is no socket.
    let listener: ControlListener?
    /// Of --control-group.
    let group: UInt32?
    /// How clients call this daemon.
    let name: String
    let rolls: RollBook
    /// How often each slot's worker has failed.
    var failures: [Int: Int] = [:]
    /// Why each slot's worker has failed last.
    var failureReasons: [Int: SlotFailure] = [:]
    /// While the core hears of a rollback: who asked for it, since only the core knows where it leads.
    var rollback: (order: ReloadOrder, client: ControlClient?)?
    /// The process is out of descriptors: nobody is let in until one is free.
    var isFull = false
    private(set) var clients: [Int: ControlClient] = [:]
    /// To be looked at when the turn ends: something was sent to them, or they were served.
    private var touched: [Int: ControlClient] = [:]
    private var lastNumber = 0
    private var waitingBytes = 0

    init(_ listener: ControlListener?, group: UInt32?, name: String, history: DeployHistory) {
        self.listener = listener
        self.group = group
        self.name = name
        rolls = RollBook(history)
    }

    // MARK: clients

    /// A client whose `isEnding` is set already was not let in, and has an error to read.
    func admit(_ socket: consuming FileDescriptor, _ peer: ControlPeer) -> ControlClient {
        lastNumber += 1
        let client = ControlClient(lastNumber, socket, peer)
        let isFull = clients.count >= ControlLimits.clientsMax
        if isFull { client.end(with: ControlError(.busy, "\(ControlLimits.clientsMax) clients are connected already")) }
        if !client.peer.isAllowed {
            client.end(
                with: ControlError(
                    .forbidden,
                    "user \(client.peer.userID) may not: only root, the daemon's own user and --control-group"))
        }
        if !client.isEnding { clients[client.number] = client }
        return client
    }

    func dismiss(_ client: ControlClient) {
        guard clients.removeValue(forKey: client.number) != nil else { return }
        touched[client.number] = nil
        waitingBytes -= client.waitingBytes
    }

    func touch(_ client: ControlClient) { touched[client.number] = client }

    func takeTouched() -> [ControlClient] {
        defer { touched.removeAll(keepingCapacity: true) }
        return Array(touched.values)
    }

    /// - Throws: where the client is gone.
    func flush(_ client: ControlClient) throws(SystemError) {
        let before = client.waitingBytes
        defer { waitingBytes += client.waitingBytes - before }
        try client.flush()
    }

    // MARK: answers

    /// Ends a request.
    func answer(_ client: ControlClient, _ json: JSON) {
        client.task = .none
        if waitingBytes > ControlLimits.waitingBytesMax {
            send(ControlError(.busy, "too much waits for other clients: ask again later").json.line, to: client)
        } else {
            send(json.line, to: client)
        }
    }

    func answer(_ client: ControlClient, _ error: ControlError) {
        switch error.code {
        case .tooLong, .forbidden, .lagged:
            change(client) { $0.end(with: error) }
            touch(client)
        case .usage, .version, .busy, .refused: answer(client, error.json)
        }
    }

    /// To one that follows: it keeps up, or it is told and dropped.
    func follow(_ client: ControlClient, _ line: [UInt8]) {
        if hasRoom(client, for: line) {
            send(line, to: client)
        } else {
            change(client) { $0.lag() }
            touch(client)
        }
    }

    /// To one that waits: progress is a convenience, and left out where the client does not read it.
    func progress(_ client: ControlClient, _ line: [UInt8]) {
        if hasRoom(client, for: line) { send(line, to: client) }
    }

    private func hasRoom(_ client: ControlClient, for line: [UInt8]) -> Bool {
        client.waitingBytes + line.count < ControlLimits.followerBytesMax
            && waitingBytes + line.count < ControlLimits.waitingBytesMax
    }

    private func send(_ line: [UInt8], to client: ControlClient) {
        change(client) { $0.send(line) }
        touch(client)
    }

    private func change(_ client: ControlClient, _ body: (ControlClient) -> Void) {
        let before = client.waitingBytes
        body(client)
        waitingBytes += client.waitingBytes - before
    }

    // MARK: what happens

    /// Records of the log, for those who follow them.
    func tellFollowers(_ records: [StampedRecord]) {
        if records.isEmpty { return }
        let followers = clients.values.filter { $0.followsEvents }
        if followers.isEmpty { return }
        for record in records {
            let line = record.json.line
            for client in followers where client.followsEvents { follow(client, line) }
        }
    }

    var hasEventFollowers: Bool { clients.values.contains { $0.followsEvents } }

    /// Lines of workers, for those who follow them.
    func tellFollowers(_ lines: [WorkerLine]) {
        for client in clients.values {
            guard case .logs(let slot) = client.task else { continue }
            for line in lines where slot == nil || slot == line.worker.slot { follow(client, line.event.line) }
        }
    }

    var hasLogFollowers: Bool {
        clients.values.contains { client in
            guard case .logs = client.task else { return false }
            return true
        }
    }

    /// The slot is no more.
    func forget(_ slot: Int) {
        failures[slot] = nil
        failureReasons[slot] = nil
    }

    /// Those who wait for the roll to this generation.
    func waiters(for generation: Int) -> [ControlClient] {
        clients.values.filter { client in
            guard case .roll(generation) = client.task else { return false }
            return true
        }
    }

    /// Those who wait for the slot's restart.
    func waiters(forRestartOf slot: Int) -> [ControlClient] {
        clients.values.filter { client in
            guard case .restart(slot) = client.task else { return false }
            return true
        }
    }
}
