// The control interface: its socket, who comes, what they ask and what waits to be sent to them. It holds, bounds and
// passes on; what is to be done about a request is in Daemon+Requests.
internal import Glibc
internal import Reloader

final class ControlServer {
    /// How clients call this daemon.
    private(set) var name: String
    private let loop: Loop
    private let story: Story
    private let output: Output
    /// Of --control-group.
    private let group: UInt32?
    /// nil: there is no socket.
    private var listener: ControlListener?
    /// The process is out of descriptors: nobody is let in until one is free.
    private var isFull = false
    private var clients: [Int: ControlClient] = [:]
    /// To be looked at when the turn ends: something was sent to them, or they were served.
    private var touched: [Int: ControlClient] = [:]
    private var lastNumber = 0
    private var waitingBytes = 0
    /// What was answered to `status` in this turn; nil: nothing yet, or something has happened since.
    private var statusLine: [UInt8]?

    /// Without a socket until `open`.
    init(_ settings: Settings, _ loop: Loop, _ story: Story, _ output: Output) {
        name = settings.daemonName
        group = settings.controlGroup
        self.loop = loop
        self.story = story
        self.output = output
    }

    // MARK: begin and end

    /// Opens the socket, and is told of clients from then on. If the default place cannot be used, the daemon does
    /// without; if the user has chosen one, that is an error.
    func open(_ settings: Settings, at paths: ControlPaths) throws(ControlSocketError) {
        do throws(ControlSocketError) {
            listener = try ControlListener.open(paths, group: group, &name)
        } catch {
            guard case .automatic = settings.control, error.reason != .isLive else { throw error }
            story.tell(LogRecord(.warning, "control_unavailable", "\(error)"))
        }
    }

    func watch() throws(SystemError) {
        if let channel = listener?.channel { try loop.watch(channel, .control) }
    }

    /// The daemon ends: those who wait for that are told, as far as they listen.
    func close(exitStatus: Int32) {
        tellFollowers(output.takeNews())
        tellFollowers(story.takeNews())
        tell(.end, result: .result([.init("exit_status", .integer(Int(exitStatus)))]))
        for client in clients.values { try? flush(client) }
        do throws(SystemError) { try listener?.removeFile() } catch {
            story.tell(LogRecord(.warning, "not_removed", "cannot remove the control socket: \(error)"))
        }
    }

    // MARK: clients

    func accept() throws(SystemError) {
        guard let listener else { return }
        do throws(SystemError) {
            while let socket = try listener.accept() { try admit(socket) }
        } catch {
            // Level-triggered: it would be reported again and again.
            try loop.unwatch(listener.channel)
            isFull = true
            throw error
        }
    }

    /// Some descriptor was closed: there may be room for a client who could not be let in.
    func descriptorIsFree() {
        guard isFull, let channel = listener?.channel else { return }
        isFull = false
        do throws(SystemError) { try loop.watch(channel, .control) } catch { isFull = true }
    }

    private func admit(_ socket: consuming FileDescriptor) throws(SystemError) {
        let peer = try ControlPeer(of: socket, group: group)
        lastNumber += 1
        let client = ControlClient(lastNumber, socket, peer)
        if let refusal = refusal(of: peer) {
            client.end(with: refusal)
            // A line always fits into a new socket; a client that is gone has missed nothing.
            try? client.flush()
            return
        }
        clients[client.number] = client
        do throws(SystemError) { try loop.watch(client.channel, .client(client)) } catch {
            forget(client)
            throw error
        }
    }

    /// Why it is not let in; nil: it is.
    private func refusal(of peer: ControlPeer) -> ControlError? {
        if clients.count >= ControlLimits.clientsMax {
            return ControlError(.busy, "\(ControlLimits.clientsMax) clients are connected already")
        }
        if peer.isAllowed { return nil }
        return ControlError(
            .forbidden, "user \(peer.userID) may not: only root, the daemon's own user and --control-group")
    }

    private func dismiss(_ client: ControlClient) {
        do throws(SystemError) { try loop.unwatch(client.channel) } catch {
            story.tell(LogRecord(.error, "system_error", "\(error)"))
        }
        forget(client)
        descriptorIsFree()
    }

    private func forget(_ client: ControlClient) {
        guard clients.removeValue(forKey: client.number) != nil else { return }
        touched[client.number] = nil
        waitingBytes -= client.waitingBytes
    }

    // MARK: requests

    /// Reads and sends what there is. A request that is none has its answer already.
    ///
    /// - Returns: what the client asks for; one request a turn, so that a client that sends a thousand at once lets the
    ///   others have their turn.
    func serve(_ client: ControlClient) -> ControlRequest? {
        touch(client)
        do throws(SystemError) {
            if client.waitingBytes > 0 {
                try flush(client)
            } else if !client.isIdle {
                // Nothing is read from one that waits: it has hung up.
                dismiss(client)
            } else if !client.hasRequest, try !receive(client) {
                dismiss(client)
            }
        } catch { dismiss(client) }
        guard clients[client.number] != nil, client.isIdle else { return nil }
        do throws(ControlError) {
            guard let line = try client.nextRequest() else { return nil }
            return try ControlRequest(line)
        } catch {
            answer(client, error)
            return nil
        }
    }

    /// False at the end of what it sends.
    private func receive(_ client: ControlClient) throws(SystemError) -> Bool {
        let number = client.channel.number
        let count = try checkedUnlessWouldBlock("recv", "a control client") {
            recv(number, loop.buffer.baseAddress, loop.buffer.count, Int32(MSG_DONTWAIT))
        }
        guard let count else { return true }
        client.receive(UnsafeRawBufferPointer(rebasing: loop.buffer[..<count]))
        return count > 0
    }

    // MARK: answers

    /// Ends a request.
    func answer(_ client: ControlClient, _ json: JSON) { answer(client, line: json.line) }

    private func answer(_ client: ControlClient, line: [UInt8]) {
        client.task = .none
        if waitingBytes > ControlLimits.waitingBytesMax {
            send(ControlError(.busy, "too much waits for other clients: ask again later").json.line, to: client)
        } else {
            send(line, to: client)
        }
    }

    /// Answers `status`, which costs milliseconds in a large pool: those who ask in the same turn share one answer.
    func answerStatus(_ client: ControlClient, _ status: () -> JSON) {
        let line = statusLine ?? status().line
        statusLine = line
        answer(client, line: line)
    }

    /// Something has happened, and whoever has heard of it may ask for the status.
    func forgetStatus() { statusLine = nil }

    func answer(_ client: ControlClient, _ error: ControlError) {
        switch error.code {
        case .tooLong, .forbidden, .lagged:
            change(client) { $0.end(with: error) }
            touch(client)
        case .usage, .version, .busy, .refused: answer(client, error.json)
        }
    }

    /// Tells those who wait in `task`. Progress is a convenience, and left out for a client that does not read it; the
    /// result ends the task.
    func tell(_ task: ControlClient.Task, progress: JSON? = nil, result: JSON? = nil) {
        for client in clients.values where client.task == task {
            if let line = progress?.line, hasRoom(client, for: line) { send(line, to: client) }
            if let result { answer(client, result) }
        }
    }

    /// The rollback that a client has asked for and waits for leads to this generation.
    func rollbackBegan(to generation: Int) {
        for client in clients.values where client.task == .rollback { client.task = .roll(generation: generation) }
    }

    /// To one that follows: it keeps up, or it is told and dropped.
    private func follow(_ client: ControlClient, _ line: [UInt8]) {
        if hasRoom(client, for: line) {
            send(line, to: client)
        } else {
            change(client) { $0.lag() }
            touch(client)
        }
    }

    private func hasRoom(_ client: ControlClient, for line: [UInt8]) -> Bool {
        client.waitingBytes + line.count < ControlLimits.followerBytesMax
            && waitingBytes + line.count < ControlLimits.waitingBytesMax
    }

    private func send(_ line: [UInt8], to client: ControlClient) {
        change(client) { $0.send(line) }
        touch(client)
    }

    private func touch(_ client: ControlClient) { touched[client.number] = client }

    /// - Throws: if the client is gone.
    private func flush(_ client: ControlClient) throws(SystemError) {
        let before = client.waitingBytes
        defer { waitingBytes += client.waitingBytes - before }
        try client.flush()
    }

    private func change(_ client: ControlClient, _ body: (ControlClient) -> Void) {
        let before = client.waitingBytes
        body(client)
        waitingBytes += client.waitingBytes - before
    }

    // MARK: those who follow

    /// Sends the log's last records, and those to come if `follow` says so.
    func tellEvents(_ client: ControlClient, follow: Bool) {
        // What those who follow already have not heard yet is in these lines too.
        tellFollowers(story.takeNews())
        for line in story.recentLines(bytesMax: ControlLimits.eventBytesMax) { self.follow(client, line) }
        if follow { client.task = .events } else { answer(client, JSON.result()) }
        story.isFollowed = hasEventFollowers
    }

    /// Sends the last lines of workers, which include what those who follow already have not heard yet, and those to come.
    func followLogs(_ client: ControlClient, slot: Int?, _ lines: [WorkerLine]) {
        tellFollowers(output.takeNews())
        for line in lastLines(lines.map { $0.event.line }, bytesMax: ControlLimits.eventBytesMax) { follow(client, line) }
        client.task = .logs(slot: slot)
        output.isFollowed = true
    }

    /// Records of the log, for those who follow them.
    private func tellFollowers(_ records: [StampedRecord]) {
        if records.isEmpty || !hasEventFollowers { return }
        for record in records {
            let line = record.json.line
            for client in clients.values where client.task == .events { follow(client, line) }
        }
    }

    private var hasEventFollowers: Bool { clients.values.contains { $0.task == .events } }

    /// Lines of workers, for those who follow them.
    private func tellFollowers(_ lines: [WorkerLine]) {
        for client in clients.values {
            guard case .logs(let slot) = client.task else { continue }
            for line in lines where slot == nil || slot == line.worker.slot { follow(client, line.event.line) }
        }
    }

    private var hasLogFollowers: Bool {
        clients.values.contains { client in
            guard case .logs = client.task else { return false }
            return true
        }
    }

    // MARK: each turn

    /// Sends what was said in this turn.
    func endTurn() {
        forgetStatus()
        tellFollowers(output.takeNews())
        // Those who are dismissed touch nobody; a warning may touch those who follow.
        tellFollowers(story.takeNews())
        while !touched.isEmpty {
            let clients = Array(touched.values)
            touched.removeAll(keepingCapacity: true)
            for client in clients { settle(client) }
            tellFollowers(story.takeNews())
        }
        story.isFollowed = hasEventFollowers
        output.isFollowed = hasLogFollowers
    }

    private func settle(_ client: ControlClient) {
        do throws(SystemError) {
            try flush(client)
            if client.isDone { return dismiss(client) }
            if client.interest == client.wantedInterest { return }
            client.interest = client.wantedInterest
            try loop.rewatch(client.channel, client.interest)
        } catch { dismiss(client) }
    }
}
