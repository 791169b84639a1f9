// strict-client: HTTP load that forgives nothing. It keeps a fixed number of connections busy, retries no request, and
// counts every way in which one can go wrong in its own column. What it is asked is in Options, what it saw in Report.
// One thread, one poll(2) loop.
import Glibc

do {
    let options = try Options(Array(CommandLine.arguments.dropFirst()))
    let stop = try StopSource(untilEndOfInput: options.untilEndOfInput)
    var load = Load(options: options, stop: stop)
    let report = load.run()
    writeOut(options.json ? report.json : report.text)
} catch {
    writeError("strict-client: \(error)\n")
    exit(64)
}
