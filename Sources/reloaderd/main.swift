// The command: `reloaderd [OPTIONS] PROGRAM [ARG...]`, or `reloaderd VERB ...`. Command.swift decides what to do;
// Options/ and Verbs/ have the tables of what the command can be told.
import Glibc
import Supervisor

// The process that a daemon starts beside itself.
if KeeperCommand.isAsked { exit(KeeperCommand.run()) }

// A verb ends by signals like any other command.
if let verb = askedVerb() { exit(runVerb(verb)) }

// Before anything else, so that an early HUP waits instead of killing the process.
do throws(SystemError) { try blockSignals() } catch { exit(refuse([ConfigurationError("\(error)")], status: 1)) }

exit(runCommand())
