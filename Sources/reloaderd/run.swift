// The seam between the command and the daemon.
import Supervisor

/// Runs the daemon with `settings` until it ends, and returns its exit status. `source` reads the settings again, for a
/// reload: the same arguments, and the config file as it is by then.
func runDaemon(settings: Settings, source: @escaping SettingsSource) -> Int32 {
    do throws(StartError) {
        return try Daemon(settings, version: version, readingAgain: source).run()
    } catch {
        writeAll("reloaderd: \(error)\n", to: 2)
        return error.exitStatus
    }
}
