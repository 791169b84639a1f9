// What comes before the first worker, and after the last.
internal import Glibc
internal import Reloader

extension Daemon {
    /// nil where workers' output goes to no file.
    static func openOutputFile(_ mode: OutputMode) throws(StartError) -> OutputSink? {
        guard case .file(let path) = mode else { return nil }
        do throws(SystemError) { return try OutputSink(.file(path: path)) } catch { throw .output(error) }
    }

    func makeFirstGeneration() throws(StartError) {
        do throws(GenerationError) {
            generations[1] = try Generation(number: 1, settings: settings, inherited: workerEnvironment)
        } catch {
            throw .generation(error)
        }
    }

    /// The history begins with the start, and who started the daemon.
    func beginFirstGeneration() {
        guard let generation = generations[1] else { return }
        let order = ReloadOrder(asker: Asker(pid: getppid(), userID: getuid()))
        control.rolls.begin(RollWatch(GenerationFacts(generation), order, workers: pool.policy.workers, isStart: true))
    }

    func remove(_ pidFile: PidFile) {
        do throws(SystemError) { try pidFile.remove() } catch {
            story.tell(LogRecord(.warning, "not_removed", "cannot remove the pid file: \(error)"))
        }
    }
}
