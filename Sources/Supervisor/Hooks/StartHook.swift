// Starts a hook: /bin/sh -c COMMAND with the event on its standard input.
internal import CLinux
internal import Glibc

/// The event is in a file in memory, so that a hook that does not read it holds up nobody. Standard output goes
/// nowhere, standard error where the daemon's goes. Directory and user are the daemon's own.
///
/// - Parameter environment: of the daemon, without what was meant for it alone.
/// - Parameter fileLimit: what the daemon was given.
/// - Throws: what failed; no process is left.
func startHook(
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
