// The command: `reloaderd [OPTIONS] PROGRAM [ARG...]`. What it says is in Command.swift, what it can be told in Options.swift.
import Glibc
import Supervisor

// First, so that a HUP that comes early waits instead of killing.
do throws(SystemError) { try blockSignals() } catch { exit(refuse([ConfigurationError("\(error)")], status: 1)) }

exit(runCommand())
