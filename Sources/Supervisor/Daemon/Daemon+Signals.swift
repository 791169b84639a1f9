// What people ask by signal: signal(7) names on the left, the core's events on the right. A terminal sends signals as
// well, and is nobody who could ask for anything: it is resized, or closed; only its keys are pressed by a person.
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
            case SIGUSR1: output.reopenFiles()
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

    /// What refuses it has been told, and a pool that ends needs no word about it.
    private func reloadOnSignal(_ signal: SignalReader.Signal) {
        do throws(ReloadRefusal) {
            let (deploy, bad) = try prepareReload(DeployOrder(asker: Asker(signal)))
            rollOut(deploy, sameAsBad: bad)
        } catch {}
    }

    /// Whoever wants the daemon to go on starts it with nohup(1), and everybody else has closed it with its window.
    private func terminalIsClosed() {
        if pool.isEnding { return }
        if rl_hangup_was_ignored() {
            if hasToldHangUp { return }
            hasToldHangUp = true
            return tellHangUpIgnored()
        }
        tellTerminalClosed()
        handle(.stop(.graceful))
    }

    /// The terminal's end is seen when it happens, so that it is known how long ago that was.
    func lookAtTerminal() throws(SystemError) {
        guard let terminal, terminal.hasHungUp else { return }
        try loop.unwatch(terminal.channel)
    }

    // MARK: SIGWINCH

    /// Only from a process that can be named: a resized terminal sends it as well, and clients of containers pass that
    /// on.
    private func drainAllOnSignal(_ signal: SignalReader.Signal) {
        switch signal.origin {
        case .kernel: break
        case .outside:
            if hasToldWinch { return }
            hasToldWinch = true
            tellWinchIgnored()
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
