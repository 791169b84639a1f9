// What people ask by signal: signal(7) names on the left, the core's events on the right.
internal import Glibc
internal import Reloader

extension Daemon {
    func readSignals() throws(SystemError) {
        while let signal = try signals.next() {
            switch signal.number {
            case SIGHUP: reloadOnSignal(signal)
            case SIGTERM, SIGINT: handle(.stop(.graceful))
            case SIGQUIT: handle(.stop(.fast))
            case SIGTTIN: handle(.scale(.by(1)))
            case SIGTTOU: handle(.scale(.by(-1)))
            case SIGWINCH: handle(.drainAll)
            case SIGUSR1: reopenLogFiles()
            case SIGCHLD: try reapChildren()
            default: tellUnsupported(signal.number)
            }
        }
    }

    /// What refuses it has been told.
    private func reloadOnSignal(_ signal: SignalReader.Signal) {
        if pool.isEnding { return }
        let asker = Asker(signal: signalName(signal.number), pid: signal.sender, userID: signal.userID)
        do throws(ReloadRefusal) { try reload(ReloadOrder(asker: asker)) } catch {}
    }
}
