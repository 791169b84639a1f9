// An HTTP worker on the ReloaderWorker kit. Under reloaderd:
//
//     reloaderd --listen 127.0.0.1:8080 .build/release/http-worker
//
// By hand, on a port of its own: `http-worker 8080`, or PORT=8080 (0: any free one).
//
//     GET /              200  slot=0 generation=1 pid=123
//     GET /slow?ms=200   the same, 200 ms later (60,000 at most)
//
// DRAIN_IDLE_MS (default 5000) is how long an idle connection is kept for its last request when the worker drains; see
// Server.swift for why. Keep it well under the supervisor's --stop-timeout.
import Glibc
import ReloaderWorker

do {
    let worker = try Worker()
    let settings = try Settings(arguments: CommandLine.arguments)
    var server = try Server(
        worker: worker, listeners: try listeners(of: worker, orOn: settings.port), drainIdle: settings.drainIdle)
    try server.run()
} catch {
    report("\(error)")
    exit(1)
}

/// The supervisor's, all of them; without a supervisor one of its own.
func listeners(of worker: Worker, orOn port: UInt16) throws -> [Int32] {
    if worker.listeners.isEmpty, worker.listenersMeantFor == nil { return [try OwnListener.open(port: port)] }
    _ = try worker.listener(at: 0)
    return worker.listeners.map(\.descriptor)
}

/// One line for people.
func report(_ text: String) {
    let line = Array("http-worker: \(text)\n".utf8)
    _ = write(2, line, line.count)
}
