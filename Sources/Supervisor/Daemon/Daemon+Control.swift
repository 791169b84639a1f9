// The control interface's place in the loop: clients come, ask, are answered and go. What they may ask is in
// Daemon+Requests.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    /// Where the default place is not to be had, the daemon does without; where the user has chosen one, it does not start.
    func openControl() throws(StartError) {
        let paths = ControlPaths(settings, environment)
        var name = paths.name
        var listener: ControlListener?
        do throws(ControlSocketError) {
            listener = try openSocket(paths, &name)
        } catch {
            guard case .automatic = settings.control, error.reason != .isLive else { throw .control(error) }
            write(LogRecord(.warning, "control_unavailable", "\(error)"))
        }
        // What is only called so because another is called so already will be called otherwise the next time.
        let history = openHistory(name == paths.name ? paths.stateDirectory : nil, name)
        control = ControlServer(listener, group: settings.controlGroup, name: name, history: history)
    }

    private func openSocket(_ paths: ControlPaths, _ name: inout String) throws(ControlSocketError) -> ControlListener?
    {
        switch paths.socket {
        case nil: return nil
        case .path(let path)?: return try ControlListener(path, group: settings.controlGroup)
        case .folder(let folder, let mode)?:
            return try openSocket(in: folder, mode, isChosen: paths.isChosen, &name)
        case .fallback?:
            return try openSocket(in: FallbackDirectory.path, 0o700, isChosen: paths.isChosen, &name)
        }
    }

    private func openSocket(
        in folder: String, _ mode: mode_t, isChosen: Bool, _ name: inout String
    ) throws(ControlSocketError) -> ControlListener {
        do throws(SystemError) { try makeFolder(folder, mode: mode) } catch {
            throw ControlSocketError(path: ControlSocket(of: name, in: folder).path, reason: .failed(error))
        }
        if folder == FallbackDirectory.path, let problem = FallbackDirectory.problem() {
            throw ControlSocketError(path: ControlSocket(of: name, in: folder).path, reason: .isNotOurs(problem))
        }
        do throws(ControlSocketError) {
            return try ControlListener(ControlSocket(of: name, in: folder).path, group: settings.controlGroup)
        } catch {
            guard error.reason == .isLive, !isChosen else { throw error }
            name = "\(name)-\(getpid())"
            return try ControlListener(ControlSocket(of: name, in: folder).path, group: settings.controlGroup)
        }
    }

    private func openHistory(_ folder: String?, _ name: String) -> DeployHistory {
        guard let folder else { return DeployHistory(path: nil) }
        var history = DeployHistory(path: "\(folder)/\(name).history")
        do throws(SystemError) { try makeFolder(folder, mode: 0o700) } catch {
            tellHistory("\(error)")
            return DeployHistory(path: nil)
        }
        do throws(FileReadError) { try history.load() } catch {
            // What can't be read is not overwritten either.
            tellHistory("\(error)")
            return DeployHistory(path: nil)
        }
        return history
    }

    private func tellHistory(_ reason: String) {
        write(LogRecord(.warning, "history_unavailable", "cannot keep the history of deploys: \(reason)"))
    }

    // MARK: clients

    func watchControl() throws(SystemError) {
        if let channel = control.listener?.channel { try watch(channel, .control) }
    }

    func acceptClients() throws(SystemError) {
        guard let listener = control.listener else { return }
        do throws(SystemError) {
            while let socket = try listener.accept() { try admit(socket) }
        } catch {
            // Level-triggered: it would be reported again and again.
            try unwatch(listener.channel)
            control.isFull = true
            throw error
        }
    }

    private func admit(_ socket: consuming FileDescriptor) throws(SystemError) {
        let peer = try ControlPeer(of: socket, group: control.group)
        let client = ControlClient(socket, peer)
        guard let number = control.admit(client) else {
            // A line always fits into a new socket; a client that is gone has missed nothing.
            try? client.flush()
            return
        }
        do throws(SystemError) { try watch(client.channel, .client(number)) } catch {
            control.dismiss(number)
            throw error
        }
    }

    func serveClient(_ number: Int) {
        guard let client = control.clients[number] else { return }
        control.touch(number)
        do throws(SystemError) {
            if client.waitingBytes > 0 {
                try control.flush(client)
            } else if !client.isIdle {
                // Nothing is read from one that waits: it has hung up.
                return dismissClient(number)
            } else if !client.hasRequest, try !receive(client) {
                return dismissClient(number)
            }
        } catch { return dismissClient(number) }
        if client.isIdle { takeRequest(of: client, number) }
    }

    /// One a turn: whoever sends a thousand at once lets the others have theirs.
    private func takeRequest(of client: ControlClient, _ number: Int) {
        do throws(ControlError) {
            guard let line = try client.nextRequest() else { return }
            try answer(try ControlRequest(line), client, number)
        } catch { control.answer(number, error) }
    }

    /// False at the end of what it sends.
    private func receive(_ client: ControlClient) throws(SystemError) -> Bool {
        let number = client.channel.number
        let count = try checkedUnlessWouldBlock("recv", "a control client") {
            recv(number, turnBuffer.baseAddress, turnBuffer.count, Int32(MSG_DONTWAIT))
        }
        guard let count else { return true }
        client.receive(UnsafeRawBufferPointer(rebasing: turnBuffer[..<count]))
        return count > 0
    }

    private func dismissClient(_ number: Int) {
        guard let client = control.clients[number] else { return }
        do throws(SystemError) { try unwatch(client.channel) } catch {
            write(LogRecord(.error, "system_error", "\(error)"))
        }
        control.dismiss(number)
        descriptorIsFree()
    }

    /// Some descriptor was closed: there may be room for a client who could not be let in.
    func descriptorIsFree() {
        guard control.isFull, let channel = control.listener?.channel else { return }
        control.isFull = false
        do throws(SystemError) { try watch(channel, .control) } catch { control.isFull = true }
    }

    // MARK: each turn

    /// Sends what was said in this turn.
    func endControlTurn() throws(SystemError) {
        do throws(SystemError) { try control.rolls.save() } catch {
            tellHistory("\(error); what it was to say is written with the next deploy")
        }
        // Those who are dismissed touch nobody; a warning may touch those who follow.
        while case let numbers = control.takeTouched(), !numbers.isEmpty {
            for number in numbers { settle(number) }
        }
    }

    private func settle(_ number: Int) {
        guard let client = control.clients[number], let token = client.channel.token else { return }
        do throws(SystemError) {
            try control.flush(client)
            if client.isDone { return dismissClient(number) }
            if client.interest == client.wantedInterest { return }
            client.interest = client.wantedInterest
            try poller.change(client.channel.number, client.interest, token)
        } catch { dismissClient(number) }
    }

    /// The daemon ends: those who wait for that are told, as far as they listen.
    func closeControl() {
        for (number, client) in control.clients {
            if case .end = client.task {
                control.answer(number, .result([.init("exit_status", .integer(Int(exitStatus ?? 1)))]))
            }
            try? control.flush(client)
        }
        do throws(SystemError) { try control.rolls.save(isLast: true) } catch { tellHistory("\(error)") }
        do throws(SystemError) { try control.listener?.removeFile() } catch {
            write(LogRecord(.warning, "not_removed", "cannot remove the control socket: \(error)"))
        }
    }

    // MARK: rolls

    /// Tells those who wait for a roll what has become of it.
    func tellWaiters(_ report: Report, _ record: StampedRecord) {
        if case .rollBegan(let target, _, _) = report { beginRollback(to: target) }
        if case .refused(let refusal) = report { control.refusal = refusal }
        tellRestart(report)
        let watches = control.rolls.hear(report, failure: failure, changed: changedFiles)
        for watch in watches {
            for number in control.waiters(for: watch.generation) {
                control.progress(number, watch.event(record).line)
                if let result = watch.result { control.answer(number, result) }
            }
        }
    }

    private func failure(of id: WorkerID, _ slot: Int, _ reason: FailureReason) -> RollFailure {
        let lines = workers[id]?.lines.all(of: WorkerStream.Kind.allCases, fromStart: reason.isOfStart)
        return RollFailure(reason, context(of: id), slot: slot, lines: lines ?? [])
    }

    /// A rollback's roll has begun: from here on it is like any other.
    private func beginRollback(to target: Int) {
        guard let (order, client) = control.rollback, let generation = generations[target] else { return }
        control.rollback = nil
        control.rolls.begin(RollWatch(GenerationFacts(generation), order, workers: pool.policy.workers))
        client?.task = .roll(generation: target)
    }

    /// Those who wait for a slot's restart hear of its end.
    private func tellRestart(_ report: Report) {
        switch report {
        case .recycleDone(let slot, let generation, _, let took):
            endRestart(
                slot,
                [
                    .init("outcome", .word(RollOutcome.done)), .init("generation", .integer(generation)),
                    .init("took_s", .seconds(took)),
                ])
        case .recycleFailed(let slot, let generation, let id, _, let reason):
            let failure = failure(of: id, slot, reason)
            endRestart(
                slot,
                [
                    .init("outcome", .word(RollOutcome.failed)), .init("generation", .integer(generation)),
                    .init("reason", .string(failure.reason)),
                ] + failure.members)
        case .recycleAbandoned(let slot, _):
            endRestart(
                slot,
                [
                    .init("outcome", .word(RollOutcome.failed)),
                    .init("reason", "a reload began, the pool drains or stops, or the slot is gone"),
                ])
        default: break
        }
    }

    private func endRestart(_ slot: Int, _ members: [JSON.Member]) {
        for number in control.waiters(forRestartOf: slot) {
            control.answer(number, .result(members))
        }
    }
}
