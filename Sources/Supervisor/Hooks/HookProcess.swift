// One run of a hook: /bin/sh -c COMMAND, a process in its own session, with the event on its standard input.
internal import CLinux
internal import Glibc
internal import Reloader

/// Lives until the exit of the process is seen. Owns the pidfd.
final class HookProcess {
    let event: String
    let pid: Int32
    /// Until the process has executed /bin/sh, there may be news on its channel. nil: another daemon has started it.
    let start: ProcessStart?
    /// The pidfd: readable when the process has ended, and the only way to signal it.
    let exit: Channel
    /// The process has executed /bin/sh.
    var isExecuted = false
    let timeout: Duration
    /// When the hook's time is up, on the monotonic clock.
    var deadline: Instant
    /// The process was sent SIGKILL, and that was logged.
    private(set) var isKilled = false

    /// - Parameters:
    ///   - environment: the daemon's environment, without what was meant for the daemon alone.
    ///   - fileLimit: the limit of open files that the daemon was given.
    /// - Throws: what failed. No process is left then.
    init(
        _ event: HookEvent, environment: Environment, fileLimit: ResourceLimit, at now: Instant
    ) throws(SystemError) {
        let start = try Self.start(event, environment: environment, fileLimit: fileLimit)
        self.start = start
        pid = start.pid
        exit = start.exit
        self.event = event.name
        timeout = event.timeout
        deadline = now + event.timeout
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let event: String
        let pid: Int32
        let exit: RowDescriptors.Place
        let timeout: Duration
        let deadline: Instant
        let isKilled: Bool
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        State(
            event: event, pid: pid, exit: descriptors.add(exit.number), timeout: timeout, deadline: deadline,
            isKilled: isKilled)
    }

    init(_ state: State, of key: String, in rows: StateRows) throws(StateError) {
        event = state.event
        pid = state.pid
        start = nil
        isExecuted = true
        exit = Channel(try rows.descriptor(state.exit, of: key, from: FileDescriptor.upperNumbers))
        timeout = state.timeout
        deadline = state.deadline
        isKilled = state.isKilled
    }

    // MARK: start and end

    /// Kills the process and its process group.
    func kill() {
        isKilled = true
        _ = rl_kill_with_group(exit.number, pid)
    }

    /// Starts the process. The event is in a file in memory, so that a hook that does not read it holds up nothing.
    /// Standard output goes to /dev/null, standard error where the daemon's goes. Directory and user are the daemon's
    /// own.
    private static func start(
        _ event: HookEvent, environment: Environment, fileLimit: ResourceLimit
    ) throws(SystemError) -> ProcessStart {
        let input = HandedDescriptor(
            FileDescriptor(owning: try checked("memfd_create") { rl_memory_file("reloaderd-event") }))
        let number = input.number
        let count = try checked("write", "memfd") { pwrite(number, event.json, event.json.count, 0) }
        if count < event.json.count { throw SystemError(call: "write", errno: ENOSPC, subject: "memfd") }
        let null = HandedDescriptor(
            FileDescriptor(owning: try checked("open", "/dev/null") { open("/dev/null", O_RDWR | O_CLOEXEC) }))
        let directory = HandedDescriptor(
            FileDescriptor(owning: try checked("open", ".") { open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }))

        var environment = environment
        environment.set("RELOADERD_EVENT", to: event.name)
        let variables = CStrings(environment.strings)
        let arguments = CStrings(["/bin/sh", "-c", event.command].map { Array($0.utf8) })
        var request = rl_spawn_request()
        request.executable = -1
        request.directory = directory.number
        request.mask = -1
        request.cpu = -1
        defer { withExtendedLifetime((variables, arguments)) {} }
        do throws(StartFailure) {
            return try ProcessStart(
                request, path: "/bin/sh", arguments: arguments.pointers + [nil],
                environment: variables.pointers + [nil], descriptors: [input.number, null.number, 2],
                limits: [rl_limit(resource: fileLimit.resource, soft: fileLimit.soft, hard: fileLimit.hard)],
                handed: [input, null, directory])
        } catch { throw Self.error(of: error) }
    }

    static func error(of failure: StartFailure) -> SystemError {
        var error = failure.error
        error.subject = "/bin/sh"
        return error
    }
}
