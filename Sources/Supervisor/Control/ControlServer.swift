// The control interface: its socket, its clients, their requests, and the lines that wait to be sent to them. The
// server keeps, bounds and passes on requests; Daemon+Requests acts on them.
internal import Glibc
internal import Reloader

final class ControlServer {
    /// The name by which clients know this daemon.
    private(set) var name: String
    private let loop: Loop
    private let story: Story
    private let output: Output
    /// The group of --control-group.
    private let group: UInt32?
    /// nil: the daemon has no control socket.
    private var listener: ControlListener?
    /// The process has run out of descriptors: no client is accepted until one is free.
    private var isFull = false
    private var clients: [Int: ControlClient] = [:]
    /// Clients to flush at the end of the turn, because something was sent to them or they were served.
    private var touched: [Int: ControlClient] = [:]
    private var lastNumber = 0
    private var waitingBytes = 0
    /// What was answered to `status` in this turn; nil: nothing yet, or something has happened since.
    private var statusLine: [UInt8]?

    /// Makes a server without a socket; `open` opens it.
    init(_ settings: Settings, _ loop: Loop, _ story: Story, _ output: Output) {
        name = settings.daemonName
        group = settings.controlGroup
        self.loop = loop
        self.story = story
        self.output = output
    }

    // MARK: for the daemon that comes next

    static let key = "control"

    private struct State: Codable {
        let name: String
        let group: UInt32?
        let listener: ControlListener.State?
        let clients: [ControlClient.State]
        let lastNumber: Int
    }

    func row() throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let state = State(
            name: name, group: group, listener: listener?.state(&descriptors),
            clients: clients.values.sorted { $0.number < $1.number }.map { $0.state(&descriptors) },
            lastNumber: lastNumber)
        return try StateRow(Self.key, state, descriptors)
    }

    init(_ rows: StateRows, _ loop: Loop, _ story: Story, _ output: Output) throws(StateError) {
        let state = try rows.value(State.self, Self.key)
        name = state.name
        group = state.group
        self.loop = loop
        self.story = story
        self.output = output
        lastNumber = state.lastNumber
        if let listener = state.listener { self.listener = try ControlListener(listener, of: Self.key, in: rows) }
        for client in state.clients {
            clients[client.number] = try ControlClient(client, of: Self.key, in: rows)
            waitingBytes += client.output.count
        }
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try rows.value(State.self, key) }

    /// Goes on with the clients, after `init` with rows.
    func goOn() throws(SystemError) {
        for client in clients.values {
            client.interest = client.wantedInterest
            try loop.watch(client.channel, .client(client), client.interest)
        }
        story.keepNews(while: hasEventFollowers)
        output.keepNews(while: hasLogFollowers)
    }

    // MARK: begin and end

    /// Opens the socket. If the default place is unavailable, the daemon runs without a socket; if the user has chosen
    /// the place, that is an error.
    ///
    /// - Parameter name: the daemon's among those of its runtime directory.
    func open(_ settings: Settings, at paths: ControlPaths, name: String) throws(ControlSocketError) {
        self.name = name
        do throws(ControlSocketError) {
            listener = try ControlListener.open(paths, group: group, &self.name)
        } catch {
            guard case .automatic = settings.control, error.reason != .isLive else { throw error }
            story.tell(LogRecord(.warning, "control_unavailable", "\(error)"))
        }
    }

    /// Starts to accept clients.
    func watch() throws(SystemError) {
        if let channel = listener?.channel { try loop.watch(channel, .control) }
    }

    /// Tells the clients that wait for the daemon's end, as far as they read, and removes the socket.
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

    /// - Parameter reserve: gives up what a client needs if there are no other descriptors.
    func accept(_ reserve: DescriptorReserve) throws(SystemError) {
        guard let listener else { return }
        do throws(SystemError) {
            while let socket = try accept(listener, reserve) { try admit(socket) }
        } catch {
            // The loop is level-triggered: it would report this client again and again.
            try loop.unwatch(listener.channel)
            isFull = true
            throw error
        }
    }

    private func accept(
        _ listener: ControlListener, _ reserve: DescriptorReserve
    ) throws(SystemError) -> FileDescriptor? {
        do throws(SystemError) { return try listener.accept() } catch {
            guard error.errno == EMFILE || error.errno == ENFILE, reserve.giveOne() else { throw error }
            return try listener.accept()
        }
    }

    /// To be called when a descriptor was closed: a client that could not be accepted may have room now.
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
            // A line always fits into a new socket, and a client that is gone has missed nothing.
            try? client.flush()
            return
        }
        clients[client.number] = client
        do throws(SystemError) { try loop.watch(client.channel, .client(client)) } catch {
            forget(client)
            throw error
        }
    }

    /// Why the peer is turned away; nil: it may stay.
    private func refusal(of peer: ControlPeer) -> ControlError? {
        if clients.count >= ControlLimits.clientsMax {
            return ControlError(.busy, "\(ControlLimits.clientsMax) clients are connected already")
        }
        if peer.isAllowed { return nil }
        return ControlError(
            .forbidden,
            "user \(peer.userID) may not ask: only root, the daemon's user and members of --control-group may")
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

    /// Reads and sends what there is, and answers a malformed request.
    ///
    /// - Returns: the client's request. There is one request a turn, so that a client that sends a thousand at once
    ///   lets the others have their turn.
    func serve(_ client: ControlClient) -> ControlRequest? {
        touch(client)
        do throws(SystemError) {
            if client.waitingBytes > 0 {
                try flush(client)
            } else if !client.isIdle {
                // The loop watches a waiting client only for its hang-up.
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

    /// Returns false if the client has closed its end.
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

    /// Lets the client wait: its request is answered later, and it is asked for no other until then.
    func wait(_ client: ControlClient, for task: ControlClient.Task) { client.task = task }

    /// Answers a request, which ends it.
    func answer(_ client: ControlClient, _ json: JSON) { answer(client, line: json.line) }

    private func answer(_ client: ControlClient, line: [UInt8]) {
        client.task = .none
        if waitingBytes > ControlLimits.waitingBytesMax {
            send(ControlError(.busy, "too much output waits for other clients: try again later").json.line, to: client)
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

    /// Tells the clients that wait in `task`. Progress is a convenience, and is left out for a client that does not
    /// read it; the result ends the task.
    func tell(_ task: ControlClient.Task, progress: JSON? = nil, result: JSON? = nil) {
        for client in clients.values where client.task == task {
            if let line = progress?.line, hasRoom(client, for: line) { send(line, to: client) }
            if let result { answer(client, result) }
        }
    }

    /// To be called when a rollback begins: from now on its clients wait for the roll to this generation.
    func rollbackBegan(to generation: Int) {
        for client in clients.values where client.task == .rollback { client.task = .roll(generation: generation) }
    }

    /// Sends a line to a client that follows. A client that does not keep up is told so and dropped.
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

    // MARK: followers

    /// Sends the log's last records and, with `follow`, the records to come.
    func tellEvents(_ client: ControlClient, _ last: LinesWanted, follow: Bool) {
        // The last records include news, which would otherwise reach this client twice.
        tellFollowers(story.takeNews())
        let records = last.of(story.recentRecords) { $0.time }
        for line in lastLines(records.map { $0.json.line }, bytesMax: ControlLimits.eventBytesMax) {
            self.follow(client, line)
        }
        if follow { client.task = .events } else { answer(client, JSON.result()) }
        story.keepNews(while: hasEventFollowers)
    }

    /// Sends the last lines of workers, and the lines to come.
    func followLogs(_ client: ControlClient, slot: Int?, _ lines: ArraySlice<WorkerLine>) {
        // The last lines include news, which would otherwise reach this client twice.
        tellFollowers(output.takeNews())
        let recent = lastLines(lines.map { $0.event.line }, bytesMax: ControlLimits.eventBytesMax)
        for line in recent { follow(client, line) }
        client.task = .logs(slot: slot)
        output.keepNews(while: true)
    }

    /// Sends records of the log to the clients that follow them.
    private func tellFollowers(_ records: [StampedRecord]) {
        if records.isEmpty || !hasEventFollowers { return }
        for record in records {
            let line = record.json.line
            for client in clients.values where client.task == .events { follow(client, line) }
        }
    }

    private var hasEventFollowers: Bool { clients.values.contains { $0.task == .events } }

    /// Sends lines of workers to the clients that follow them.
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

    /// Sends what came up for clients in this turn.
    func endTurn() {
        forgetStatus()
        tellFollowers(output.takeNews())
        // Dismissing a client touches no other, but a warning in the log may touch those that follow it.
        tellFollowers(story.takeNews())
        while !touched.isEmpty {
            let clients = Array(touched.values)
            touched.removeAll(keepingCapacity: true)
            for client in clients { settle(client) }
            tellFollowers(story.takeNews())
        }
        story.keepNews(while: hasEventFollowers)
        output.keepNews(while: hasLogFollowers)
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
