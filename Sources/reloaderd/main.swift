// The command: `reloaderd [OPTIONS] PROGRAM [ARG...]`, or `reloaderd VERB ...`. Command.swift decides what to do;
// Options/ and Verbs/ have the tables of what the command can be told.
import Glibc
import Supervisor

// The daemon executes its own program as its helper.
if let status = HelperMain.run() { exit(status) }
// The process that a daemon starts beside itself.
if KeeperCommand.isAsked { exit(KeeperCommand.run()) }

// A verb ends by signals like any other command.
if let verb = askedVerb() { exit(runVerb(verb)) }

// A daemon asks whether this program could go on in its place.
if PreflightCommand.isAsked { exit(PreflightCommand.run(version: version)) }

/// Blocks the daemon's signals before anything else, so that an early HUP waits instead of killing the process.
private func block(_ signals: () throws(SystemError) -> Void) {
    do throws(SystemError) { try signals() } catch { exit(refuse([ConfigurationError("\(error)")], status: 1)) }
}

if let succession = Succession.take() {
    block { () throws(SystemError) in try succession.keepSignals() }
    exit(goOn(succession))
}
block(blockSignals)
exit(runCommand())
