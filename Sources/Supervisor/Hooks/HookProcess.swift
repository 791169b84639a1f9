// A run of a hook: /bin/sh -c COMMAND, a process in a session of its own, with the event on its standard input.
internal import CLinux
internal import Glibc
internal import Reloader

/// Lives until its exit is seen. Owns its pidfd.
final class HookProcess {
    let event: String
    let pid: Int32
    /// Readable when the process has ended; the only way by which it is signalled.
    let exit: Channel
    let timeout: Duration
    /// On the monotonic clock.
    var deadline: Instant
    /// It was sent SIGKILL, and that was told.
    private(set) var isKilled = false

    /// - Parameters:
    ///   - environment: of the daemon, without what was meant for it alone.
    ///   - fileLimit: what the daemon was given.
    /// - Throws: what failed; no process is left.
    init(
        _ event: HookEvent, environment: Environment, fileLimit: ResourceLimit, at now: Instant
    ) throws(SystemError) {
        let (pid, exit) = try Self.start(event, environment: environment, fileLimit: fileLimit)
        self.event = event.name
        self.pid = pid
        self.exit = Channel(FileDescriptor(owning: exit).moved())
        timeout = event.timeout
        deadline = now + event.timeout
    }

    /// With all that it has in its process group.
    func kill() {
        isKilled = true
        _ = rl_kill_with_group(exit.number, pid)
    }

    /// The event is in a file in memory, so that a hook that does not read it holds up nobody. Standard output goes nowhere,
    /// standard error where the daemon's goes. Directory and user are the daemon's own.
    private static func start(
        _ event: HookEvent, environment: Environment, fileLimit: ResourceLimit
    ) throws(SystemError) -> (pid: Int32, exit: Int32) {
        let input = FileDescriptor(owning: try checked("memfd_create") { rl_memory_file("reloaderd-event") })
        let number = input.number
        let count = try checked("write", "memfd") { pwrite(number, event.json, event.json.count, 0) }
        if count < event.json.count { throw SystemError(call: "write", errno: ENOSPC, subject: "memfd") }
        let null = FileDescriptor(owning: try checked("open", "/dev/null") { open("/dev/null", O_RDWR | O_CLOEXEC) })
        let directory = FileDescriptor(owning: try checked("open", ".") { open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) })

        var environment = environment
        environment.set("RELOADERD_EVENT", to: event.name)
        let variables = CStrings(environment.strings)
        let arguments = CStrings(["/bin/sh", "-c", event.command].map { Array($0.utf8) })
        var request = rl_spawn_request()
        request.executable = -1
        request.directory = directory.number
        request.mask = -1
        request.cpu = -1
        request.listen_channel = -1
        let result = startProcess(
            &request, path: "/bin/sh", arguments: arguments.pointers + [nil], environment: variables.pointers + [nil],
            descriptors: [input.number, null.number, 2],
            limits: [rl_limit(resource: fileLimit.resource, soft: fileLimit.soft, hard: fileLimit.hard)])
        withExtendedLifetime((variables, arguments)) {}
        if result.stage != rl_stage_none { throw SystemError(call: "execve", errno: result.error, subject: "/bin/sh") }
        return (result.pid, result.pidfd)
    }
}
