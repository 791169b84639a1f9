// What people ask by signal: signal(7) names on the left, the core's events on the right.
internal import Glibc
internal import Reloader

extension Daemon {
    func readSignals() throws(SystemError) {
        while let (signal, sender) = try signals.next() {
            switch signal {
            case SIGHUP: reload(askedBy: sender)
            case SIGTERM, SIGINT: handle(.stop(.graceful))
            case SIGQUIT: handle(.stop(.fast))
            case SIGTTIN: handle(.scale(.by(1)))
            case SIGTTOU: handle(.scale(.by(-1)))
            case SIGWINCH: handle(.drainAll)
            case SIGUSR1: reopenLogFiles()
            case SIGCHLD: try reapChildren()
            default: tellUnsupported(signal)
            }
        }
    }

    /// Reads everything anew, pins it as the next generation, and hands it to the core. What can't be read or found refuses
    /// the reload before anything has changed.
    private func reload(askedBy sender: Int32) {
        if case .stopping = pool.phase { return }
        tellReloading(askedBy: sender)
        do throws(ReloadRefusal) {
            let fresh = try settingsForReload()
            let generation = try nextGeneration(of: fresh)
            newestGeneration = generation.number
            generations[generation.number] = generation
            settings = fresh
            handle(.reload(generation: generation.number, policy: fresh.policy))
        } catch {
            tellRefused(error)
        }
    }

    private func settingsForReload() throws(ReloadRefusal) -> Settings {
        var fresh: Settings
        do throws(ConfigurationError) { fresh = try readSettings() } catch { throw .configuration(error) }
        let kept = fresh.keepForLife(of: settings)
        if !kept.isEmpty { tellNeedsRestart(kept) }
        let isNewCount = fresh.workers != settings.workers
        // What the user chose anew counts; otherwise what TTIN and TTOU have made of it.
        if !isNewCount { fresh.workers = .fixed(pool.policy.workers) }
        fresh.policy = fresh.resolvedPolicy(automaticWorkers: CPUCount.current().automatic, sharing: sharing != nil)
        if !isNewCount { fresh.workers = settings.workers }
        return fresh
    }

    private func nextGeneration(of settings: Settings) throws(ReloadRefusal) -> Generation {
        do throws(GenerationError) {
            return try Generation(number: newestGeneration + 1, settings: settings, inherited: workerEnvironment)
        } catch {
            throw .generation(error)
        }
    }
}

/// Why a reload did not begin.
enum ReloadRefusal: Error, CustomStringConvertible {
    case configuration(ConfigurationError)
    case generation(GenerationError)

    var description: String {
        switch self {
        case .configuration(let error): error.description
        case .generation(let error): error.description
        }
    }
}
