// The command: `reloaderd [OPTIONS] PROGRAM [ARG...]`. What it says is in Command.swift, what it can be told in Options.swift.
import Glibc

// CALL SITE: Supervisor.blockSignals(), before anything else, so that a HUP that comes early waits instead of killing.

exit(runCommand())
