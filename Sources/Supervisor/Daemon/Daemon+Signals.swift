// What people ask by signal: signal(7) names on the left, the core's events on the right. A terminal sends signals too,
// without anybody asking for anything: it was resized or closed. Only its keys are pressed by a person.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    func readSignals() throws(SystemError) {
        while let signal = try signals.next() {
            switch signal.number {
            case SIGHUP: hangUpOrReload(signal)
            case SIGTERM, SIGINT: handle(.stop(.graceful), askedBy: Asker(signal))
            case SIGQUIT: handle(.stop(.fast), askedBy: Asker(signal))
            // The kernel means a job in the background that touches its terminal.
            case SIGTTIN: if signal.origin != .kernel { handle(.scale(.by(1))) }
            case SIGTTOU: if signal.origin != .kernel { handle(.scale(.by(-1))) }
            case SIGWINCH: drainAllOnSignal(signal)
            case SIGUSR2: upgradeOnSignal(signal)
            case SIGUSR1: output.reopenFiles(closedTo: releases.strangers)
            case SIGCHLD: try reapChildren()
            default: tellUnsupported(signal.number)
            }
        }
    }

    // MARK: SIGHUP

    private func hangUpOrReload(_ signal: SignalReader.Signal) {
        switch signal.origin {
        case .kernel: terminalIsClosed()
        case .process(let sender) where terminal?.explains(sender) ?? false: terminalIsClosed()
        case .process, .outside: reloadOnSignal(signal)
        }
    }

    /// A refusal has been told already; a pool that ends refuses without a word.
    private func reloadOnSignal(_ signal: SignalReader.Signal) {
        do throws(ReloadRefusal) {
            let (deploy, bad) = try prepareReload(DeployOrder(asker: Asker(signal)))
            rollOut(deploy, sameAsBad: bad)
        } catch {}
    }

    /// Closing the window stops the daemon, unless it was started with nohup(1).
    private func terminalIsClosed() {
        if pool.isEnding { return }
        if rl_hangup_was_ignored() {
            return tellHangUpIgnored()
        }
        tellTerminalClosed()
        handle(.stop(.graceful))
    }

    /// Notes when the terminal was closed: a SIGHUP soon after comes from that.
    func lookAtTerminal() throws(SystemError) {
        guard let terminal, terminal.hasHungUp else { return }
        try loop.unwatch(terminal.channel)
    }

    // MARK: SIGUSR2

    /// A refusal has been told already.
    private func upgradeOnSignal(_ signal: SignalReader.Signal) {
        do throws(UpgradeRefusal) { try beginUpgrade(nil, Asker(signal), isUrgent: false) } catch {}
    }

    // MARK: SIGWINCH

    /// Only a process that has a name here can ask: a resized terminal sends the same signal, and clients of containers
    /// pass it on from outside.
    private func drainAllOnSignal(_ signal: SignalReader.Signal) {
        switch signal.origin {
        case .kernel: break
        case .outside: tellWinchIgnored()
        case .process: handle(.drainAll, askedBy: Asker(signal))
        }
    }
}

extension Asker {
    init(_ signal: SignalReader.Signal) {
        let pid: Int32 = if case .process(let sender) = signal.origin { sender } else { 0 }
        self.init(signal: signalName(signal.number), pid: pid, userID: signal.userID)
        isKey = signal.origin == .kernel
    }
}
