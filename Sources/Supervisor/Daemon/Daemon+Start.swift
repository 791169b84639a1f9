// What comes before the first worker, and after the last.
internal import Glibc
internal import Reloader

extension Daemon {
    /// Those that an outer supervisor hands over come first, then those of --listen, in order.
    static func openListeners(_ settings: Settings, _ environment: Environment) throws(StartError) -> [Listener] {
        var listeners: [Listener] = []
        do throws(ListenError) {
            listeners = try InheritedListeners.take(environment)
            for spec in settings.listeners {
                listeners.append(try Listener(spec, backlog: settings.backlog, reusesPort: settings.balance == .slot))
            }
            return listeners
        } catch {
            removeFiles(of: listeners)
            throw .listen(error)
        }
    }

    /// Of a daemon that does not come to life: there is no log yet, and the reason to tell is another.
    static func removeFiles(of listeners: [Listener]) {
        for listener in listeners { try? listener.removeFile() }
    }

    static func openSlotListeners(_ settings: Settings, _ first: [Listener]) throws(StartError) -> SlotListeners? {
        guard settings.balance == .slot else { return nil }
        do throws(ListenError) {
            return try SlotListeners(first: first, specs: settings.listeners, backlog: settings.backlog)
        } catch {
            removeFiles(of: first)
            throw .listen(error)
        }
    }

    /// nil where workers' output goes to no file.
    static func openOutputFile(_ mode: OutputMode) throws(StartError) -> OutputSink? {
        guard case .file(let path) = mode else { return nil }
        do throws(SystemError) { return try OutputSink(.file(path: path)) } catch { throw .output(error) }
    }

    static func obstacleToSharing() -> SystemError? {
        do throws(SystemError) { return try CallChannel().obstacle() } catch { return error }
    }

    func makeFirstGeneration() throws(StartError) {
        do throws(GenerationError) { try releases.makeFirst() } catch { throw .generation(error) }
    }

    /// The history begins with the start, and who started the daemon.
    func beginFirstGeneration() {
        guard let generation = releases[1] else { return }
        let order = DeployOrder(asker: Asker(pid: getppid(), userID: getuid()))
        deploys.begin(generation, order, workers: pool.policy.workers, isStart: true)
    }

    func openControl() throws(StartError) {
        let paths = ControlPaths(settings, environment)
        do throws(ControlSocketError) { try control.open(settings, at: paths) } catch { throw .control(error) }
        // What is only called so because another is called so already will be called otherwise the next time.
        if let folder = paths.stateDirectory, control.name == paths.name {
            deploys.openHistory(in: folder, name: control.name)
        }
    }

    func closeControl() {
        deploys.save(isLast: true)
        control.close(exitStatus: exitStatus ?? 1)
    }

    func removeSocketFiles() {
        for listener in listeners {
            do throws(SystemError) { try listener.removeFile() } catch {
                story.tell(LogRecord(.warning, "not_removed", "cannot remove a socket's file: \(error)"))
            }
        }
    }

    func remove(_ pidFile: PidFile) {
        do throws(SystemError) { try pidFile.remove() } catch {
            story.tell(LogRecord(.warning, "not_removed", "cannot remove the pid file: \(error)"))
        }
    }
}
