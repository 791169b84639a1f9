// The command: `reloaderd [OPTIONS] PROGRAM [ARG...]`, or `reloaderd VERB ...`. What it says is in Command.swift, what
// it can be told in Options.swift and Verbs/.
import Glibc
import Supervisor

// A verb ends by signals like any command.
if let verb = askedVerb() { exit(runVerb(verb)) }

// First of all, so that a HUP that comes early waits instead of killing.
do throws(SystemError) { try blockSignals() } catch { exit(refuse([ConfigurationError("\(error)")], status: 1)) }

exit(runCommand())
