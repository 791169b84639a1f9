// The example workers of Examples/, one in each language: by hand, and with the test as their supervisor.
import Glibc

enum Example: CaseIterable {
    case swift
    case python
    case node

    var command: [String] {
        switch self {
        case .swift: [Products.httpWorker]
        case .python: [Apps.python, "\(Products.package)/Examples/python/worker.py"]
        case .node: ["node", "\(Products.package)/Examples/node/worker.js"]
        }
    }

    /// By hand, on a port of its own.
    func startAlone() throws -> (ChildProcess, port: Int) {
        let process = try ChildProcess(command + ["0"])
        let line = try process.errors.next() ?? ""
        guard let port = line.split(separator: ":").last.flatMap({ Int($0) }) else {
            throw DidNotHappen(description: "no port; stderr: \(line)")
        }
        return (process, port)
    }
}

/// An example worker with the test as its supervisor.
final class ExampleWorker {
    let process: ChildProcess
    /// The ready pipe.
    let messages: LineReader

    /// Starts it on a listener of the test; it is ready then.
    init(
        _ example: Example, on listener: TestListener, slot: Int = 2, generation: Int = 7,
        drainIdleMilliseconds: Int = 10_000, watchdogMicroseconds: Int? = nil
    ) throws {
        let (ready, readyThere) = try ChildProcess.pipe()
        defer { close(readyThere) }
        messages = LineReader(owning: ready)
        let told = [
            "READY_FD=4", "RELOADERD_SLOT=\(slot)", "RELOADERD_GENERATION=\(generation)", "RELOADERD_WORKERS=4",
            "DRAIN_IDLE_MS=\(drainIdleMilliseconds)",
        ]
        let watchdog = watchdogMicroseconds.map { ["WATCHDOG_USEC=\($0)"] } ?? []
        process = try ChildProcess(
            Launcher.announcing(listeners: 1) + example.command,
            environment: ChildProcess.plainEnvironment + told + watchdog, inheriting: [listener.number, readyThere])
        guard try messages.next() == "READY=1" else {
            throw DidNotHappen(description: "no READY=1; stderr: \(try process.errors.text())")
        }
    }

    /// Asks it to drain, and returns when it has begun to.
    func drain() throws {
        process.signal(SIGTERM)
        guard try messages.next() == "STOPPING=1" else { throw DidNotHappen(description: "no STOPPING=1") }
    }
}
