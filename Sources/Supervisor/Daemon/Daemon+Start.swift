// What comes before the first worker, and after the last.
internal import Glibc
internal import Reloader

extension Daemon {
    /// nil: workers' output goes to no file.
    static func openOutputFile(_ settings: Settings) throws(StartError) -> OutputSink? {
        guard case .file(let path) = settings.output else { return nil }
        let strangers = [settings.program.stranger].compactMap { $0 }
        do throws(SystemError) { return try OutputSink(.file(path: path), closedTo: strangers) } catch {
            throw .output(error)
        }
    }

    func makeFirstGeneration() throws(StartError) {
        do throws(GenerationError) { try releases.makeFirst() } catch { throw .generation(error) }
    }

    /// The history begins with the start, asked for by the process that started the daemon.
    func beginFirstGeneration() {
        guard let generation = releases[1] else { return }
        let order = DeployOrder(asker: Asker(pid: getppid(), userID: getuid()))
        deploys.begin(generation, order, workers: pool.policy.workers, isStart: true)
    }

    /// Leaves the listeners of --listen with the service manager, so that connections wait in their queues during a
    /// restart of the daemon.
    func storeListeners() {
        manager.forget(storedListeners.unwanted)
        for listener in ports.storable {
            guard let name = listener.storeName else { continue }
            manager.keep(listener.descriptor, as: name)
        }
    }

    func openControl() throws(StartError) {
        let paths = ControlPaths(settings, Environment.inherited())
        do throws(ControlSocketError) { try control.open(settings, at: paths, name: claim.name) } catch {
            throw .control(error)
        }
        // A name that was changed because another daemon has it will be another one the next time.
        if let folder = paths.stateDirectory, control.name == paths.name {
            deploys.openHistory(in: folder, name: control.name)
        }
    }

    func closeControl() {
        deploys.save(isLast: true)
        control.close(exitStatus: exitStatus ?? 1)
    }

    func remove(_ pidFile: PidFile) {
        do throws(SystemError) { try pidFile.remove() } catch {
            story.tell(LogRecord(.warning, "not_removed", "cannot remove the pid file: \(error)"))
        }
    }
}

extension ControlPaths.Place {
    /// nil: the daemon has no runtime directory.
    var placeOfNotifySockets: NotifyDirectory.Place? {
        switch self {
        case .folder(let path, let mode): .runtime(path, mode: mode)
        case .path, .fallback: nil
        }
    }
}
