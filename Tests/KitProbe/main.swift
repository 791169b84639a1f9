// kit-probe: a worker that does with the kit what its argument says, and tells on stdout, line by line. For the tests
// of ReloaderWorker, which need a process of their own: the kit changes the environment and a signal's disposition.
import Glibc
import ReloaderWorker

do {
    switch CommandLine.arguments.dropFirst().first {
    case "report": try reportInheritance()
    case "tell": try tellEverything()
    case "poll": try drainByPoll()
    case "async": try await drainByTasks()
    case "orphan": try tellNobody()
    default: throw UnknownMode()
    }
} catch {
    tell("error \(error)")
    exit(1)
}

struct UnknownMode: Error {}

func tell(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(1, bytes, bytes.count)
}

func reportInheritance() throws {
    let worker = try Worker()
    for listener in worker.listeners {
        let isCloseOnExec = fcntl(listener.descriptor, F_GETFD) & FD_CLOEXEC != 0
        tell("listener \(listener.descriptor) \(listener.name) \(isCloseOnExec ? "close-on-exec" : "kept")")
    }
    tell("slot \(worker.slot.map(String.init) ?? "-")")
    tell("generation \(worker.generation.map(String.init) ?? "-")")
    tell("workers \(worker.workers.map(String.init) ?? "-")")
    tell("watchdog \(worker.watchdogInterval.map { "\($0)" } ?? "-")")
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "READY_FD", "NOTIFY_SOCKET", "WATCHDOG_USEC"]
    where getenv(name) != nil {
        tell("leaked \(name)")
    }
    try worker.ready()
    tell("admin \(try worker.listener(named: "admin").descriptor)")
}

func tellEverything() throws {
    let worker = try Worker()
    try worker.ready()
    try worker.status("two\nlines")
    try worker.extendTimeout(.microseconds(1_500_000))
    try worker.ping()
    try worker.stopping()
    tell("done")
}

/// The reader of the ready pipe goes away: an error, and no SIGPIPE.
func tellNobody() throws {
    let worker = try Worker()
    tell("up")
    var scratch: UInt8 = 0
    while read(0, &scratch, 1) > 0 {}
    do { try worker.ready() } catch { tell("\(error)") }
    tell("alive")
}

func drainByPoll() throws {
    let worker = try Worker(drainSignal: SIGUSR2)
    tell("draining \(worker.isDrainRequested)")
    var watched = pollfd(fd: worker.drainDescriptor, events: Int16(POLLIN), revents: 0)
    while poll(&watched, 1, -1) < 0, errno == EINTR {}
    tell("draining \(worker.isDrainRequested)")
}

/// More tasks wait than the cooperative pool has threads, and one of them is cancelled before.
func drainByTasks() async throws {
    let worker = try Worker()
    let cancelled = Task {
        try await worker.drainRequested()
        return Task.isCancelled && !worker.isDrainRequested
    }
    cancelled.cancel()
    tell("cancelled \(try await cancelled.value)")
    let count = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<100 {
            group.addTask {
                try await worker.drainRequested()
                return worker.isDrainRequested ? 1 : 0
            }
        }
        tell("waiting")
        return try await group.reduce(0, +)
    }
    try await worker.drainRequested()
    tell("drained \(count)")
}
