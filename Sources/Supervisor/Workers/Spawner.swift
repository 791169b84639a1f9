// Starts a worker of a generation: creates its channels, its environment and its process. Reports every failure with
// the step that failed.
internal import CLinux
internal import Glibc
internal import Reloader

/// What all workers of this daemon have in common.
struct Spawner: ~Copyable {
    /// RELOADERD_NAME.
    let name: String
    /// LISTEN_FDNAMES, one for each listener.
    let listenerNames: [String?]
    /// The limit of open files that the daemon was started with. The daemon raises its own; workers get this one back.
    let fileLimit: ResourceLimit
    /// Whether the workers' standard output passes through the daemon; otherwise they write to the daemon's own.
    let pipesOutput: Bool
    /// The same for standard error.
    let pipesErrors: Bool
    /// Set if workers report their calls of bind(2) and listen(2).
    private let calls: CallChannel?
    private let notifySockets: NotifyDirectory
    private let null: FileDescriptor

    init(
        name: String, listenerNames: [String?], fileLimit: ResourceLimit, pipesOutput: Bool, pipesErrors: Bool,
        sharesPorts: Bool, notifySockets: NotifyDirectory
    ) throws(SystemError) {
        let calls = try CallChannel.make(where: sharesPorts)
        let null = FileDescriptor(owning: try checked("open", "/dev/null") { open("/dev/null", O_RDWR | O_CLOEXEC) })
        self.name = name
        self.listenerNames = listenerNames
        self.fileLimit = fileLimit
        self.pipesOutput = pipesOutput
        self.pipesErrors = pipesErrors
        self.calls = calls
        self.notifySockets = notifySockets
        self.null = null
    }

    /// A process that was just started, with the daemon's ends of its channels. Nothing is registered anywhere yet.
    struct Spawned: ~Copyable {
        let pid: Int32
        let exit: FileDescriptor
        let readyPipe: FileDescriptor
        let notifySocket: FileDescriptor
        let notifyAddress: String
        let notifyFile: NotifyFile?
        let startTicks: Int
        let stdoutPipe: FileDescriptor?
        let stderrPipe: FileDescriptor?
        let calls: FileDescriptor?
    }

    /// - Parameters:
    ///   - watchdog: passed to the worker as WATCHDOG_USEC.
    ///   - listeners: become the worker's descriptors 3, 4, …
    func spawn(
        _ generation: Generation, slot: Int, workers: Int, watchdog: Duration?, listeners: [Int32]
    ) throws(SpawnError) -> Spawned {
        let ready = try pipe(generation)
        let notify = try channel(generation) { () throws(SystemError) in
            try notifySockets.makeSocket(for: generation.program.user)
        }
        let stdout = pipesOutput ? try pipe(generation) : nil
        let stderr = pipesErrors ? try pipe(generation) : nil

        var descriptors = [null.number, Self.writeEnd(of: stdout) ?? 1, Self.writeEnd(of: stderr) ?? 2]
        descriptors += listeners
        let readyNumber = descriptors.count
        descriptors.append(ready.writeEnd.number)
        let own = CStrings([])
        func set(_ name: String, _ value: String) { own.append(Array("\(name)=\(value)".utf8)) }
        set("RELOADERD_SLOT", String(slot))
        set("RELOADERD_GENERATION", String(generation.number))
        set("RELOADERD_WORKERS", String(workers))
        set("RELOADERD_NAME", name)
        set("READY_FD", String(readyNumber))
        set("NOTIFY_SOCKET", notify.address)
        if let watchdog { set("WATCHDOG_USEC", String(watchdog.nanoseconds / 1000)) }
        var pidText: UnsafeMutablePointer<CChar>?
        if !listeners.isEmpty {
            set("LISTEN_FDS", String(listeners.count))
            set("LISTEN_FDNAMES", listenerNames.map { $0 ?? "unknown" }.joined(separator: ":"))
            set("LISTEN_PID", String(repeating: "0", count: 20))
            pidText = own.pointers.last.flatMap { $0 }.map { $0 + "LISTEN_PID=".utf8.count }
        }

        let environment = generation.environment.pointers + own.pointers + [nil]
        let result = try run(
            generation, slot: slot, descriptors: descriptors, environment: environment, pidText: pidText)
        withExtendedLifetime(own) {}
        let (notifyAddress, notifyFile) = (notify.address, notify.file)
        return Spawned(
            pid: result.pid, exit: FileDescriptor(owning: result.pidfd).moved(), readyPipe: ready.takeReadEnd().moved(),
            notifySocket: notify.takeDescriptor().moved(), notifyAddress: notifyAddress, notifyFile: notifyFile,
            startTicks: Self.startTicks(of: result.pid), stdoutPipe: stdout?.takeReadEnd().moved(),
            stderrPipe: stderr?.takeReadEnd().moved(), calls: receiveCalls()?.moved())
    }

    private func run(
        _ generation: Generation, slot: Int, descriptors: [Int32], environment: [UnsafeMutablePointer<CChar>?],
        pidText: UnsafeMutablePointer<CChar>?
    ) throws(SpawnError) -> rl_spawn_result {
        let program = generation.program
        // The limit of open files is restored first, so that the user's own --rlimit nofile wins.
        let limits = ([fileLimit] + program.resourceLimits).map {
            rl_limit(resource: $0.resource, soft: $0.soft, hard: $0.hard)
        }
        var request = rl_spawn_request()
        request.executable = generation.executable.replacedFile ?? -1
        request.pid_text = pidText
        request.directory = generation.directory.number
        request.mask = program.umask.map { Int32($0) } ?? -1
        request.sets_nice = program.nice != nil
        request.nice = program.nice ?? 0
        // Not those that the daemon was started with: its control group's set may have changed.
        let cpus = program.pinsCPUs ? CPUCount.allowed() : []
        request.cpu = cpus.isEmpty ? -1 : cpus[slot % cpus.count]
        request.listen_channel = callNumber ?? -1
        request.sets_user = program.user != nil
        request.user = program.user?.userID ?? 0
        request.group = program.user?.groupID ?? 0
        let groups = program.user?.supplementaryGroups ?? []

        let result = startProcess(
            &request, path: generation.executable.path, arguments: generation.arguments.pointers + [nil],
            environment: environment, descriptors: descriptors, limits: limits, groups: groups)
        if result.stage == rl_stage_none { return result }
        _ = receiveCalls()  // the child may have sent it before it failed
        throw failure(SpawnError.Step(result.stage), SystemError(call: "execve", errno: result.error), generation)
    }

    /// The process may have ended already, but is not reaped. If /proc does not tell, it counts as older than all
    /// others.
    private static func startTicks(of pid: Int32) -> Int {
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 1) { ProcessStatus(pid, $0)?.startTicks ?? 0 }
    }

    private func receiveCalls() -> FileDescriptor? {
        switch calls {
        case .some(let channel): channel.receive()
        case .none: nil
        }
    }

    private var callNumber: Int32? {
        switch calls {
        case .some(let channel): channel.number
        case .none: nil
        }
    }

    private static func writeEnd(of pipe: borrowing Pipe?) -> Int32? {
        switch pipe {
        case .some(let pipe): pipe.writeEnd.number
        case .none: nil
        }
    }

    /// A pipe that belongs to the worker's user, so that the worker can open it by a name such as /dev/stdout or
    /// /dev/fd/5.
    private func pipe(_ generation: Generation) throws(SpawnError) -> Pipe {
        let user = generation.program.user
        return try channel(generation) { () throws(SystemError) in try Pipe(openableBy: user) }
    }

    private func channel<Made: ~Copyable>(
        _ generation: Generation, _ make: () throws(SystemError) -> Made
    ) throws(SpawnError) -> Made {
        do throws(SystemError) { return try make() } catch { throw failure(.channels, error, generation) }
    }

    private func failure(_ step: SpawnError.Step, _ error: SystemError, _ generation: Generation) -> SpawnError {
        SpawnError(step: step, error: error, program: generation.program.path)
    }
}

/// Calls rl_spawn with Swift's arrays: the one way in which this daemon starts a process, be it a worker or a hook.
/// Fills in the pointers of `request` and starts the process. The arrays of C strings end with NULL.
///
/// - Returns: the process, or the stage at which its set-up failed, in which case nothing of it is left.
func startProcess(
    _ request: inout rl_spawn_request, path: String, arguments: [UnsafeMutablePointer<CChar>?],
    environment: [UnsafeMutablePointer<CChar>?], descriptors: [Int32], limits: [rl_limit], groups: [UInt32] = []
) -> rl_spawn_result {
    precondition(arguments.last == .some(nil) && environment.last == .some(nil), "execve needs a NULL at the end")
    var result = rl_spawn_result()
    request.descriptor_count = Int32(descriptors.count)
    request.limit_count = Int32(limits.count)
    request.group_count = Int32(groups.count)
    path.withCString { path in
        arguments.withUnsafeBufferPointer { arguments in
            environment.withUnsafeBufferPointer { environment in
                descriptors.withUnsafeBufferPointer { descriptors in
                    limits.withUnsafeBufferPointer { limits in
                        groups.withUnsafeBufferPointer { groups in
                            request.path = path
                            request.arguments = arguments.baseAddress
                            request.environment = environment.baseAddress
                            request.descriptors = descriptors.baseAddress
                            request.limits = limits.baseAddress
                            request.groups = groups.baseAddress
                            _ = rl_spawn(&request, &result)
                        }
                    }
                }
            }
        }
    }
    return result
}

/// A pipe(7) with an owner for each end.
struct Pipe: ~Copyable {
    let readEnd: FileDescriptor
    let writeEnd: FileDescriptor

    /// Both ends close-on-exec; the read end does not block.
    ///
    /// - Parameter user: a user who may open it by a name such as /dev/stderr, besides the user who created it; nil:
    ///   nobody else.
    init(openableBy user: UserChoice? = nil) throws(SystemError) {
        var ends: (Int32, Int32) = (-1, -1)
        try withUnsafeMutablePointer(to: &ends) { pointer throws(SystemError) in
            _ = try checked("pipe2") {
                UnsafeMutableRawPointer(pointer).withMemoryRebound(to: Int32.self, capacity: 2) { rl_pipe($0) }
            }
        }
        let reader = FileDescriptor(owning: ends.0)
        let writer = FileDescriptor(owning: ends.1)
        if let user { try Self.give(ends.1, to: user) }
        readEnd = reader
        writeEnd = writer
    }

    private static func give(_ number: Int32, to user: UserChoice) throws(SystemError) {
        if fchown(number, user.userID, user.groupID) == 0 { return }
        // This is root without CAP_CHOWN. Everybody may write to the pipe then, but can reach it only through a process
        // of their own that has it.
        try checked("fchmod", "a worker's pipe") { fchmod(number, 0o622) }
    }

    /// Keeps the read end and closes the write end.
    consuming func takeReadEnd() -> FileDescriptor { readEnd }
}

/// Carries a worker's seccomp notification descriptor to the daemon: one socket pair for all spawns, since each is over
/// before the next begins.
struct CallChannel: ~Copyable {
    private let ours: FileDescriptor
    private let theirs: FileDescriptor

    init() throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        try checked("socketpair", "AF_UNIX") { socketpair(AF_UNIX, type, 0, &ends) }
        ours = FileDescriptor(owning: ends[0])
        theirs = FileDescriptor(owning: ends[1])
    }

    static func make(where isWanted: Bool) throws(SystemError) -> CallChannel? {
        guard isWanted else { return nil }
        return try CallChannel()
    }

    /// Why a program started here could not report its calls; nil if it can. Tries it with a child made for that
    /// purpose.
    func obstacle() -> SystemError? {
        var missing: UnsafePointer<CChar>?
        let result = rl_try_sharing(number, &missing)
        let code = errno
        _ = receive()
        if result == 0 { return nil }
        return SystemError(call: missing.map { String(cString: $0) } ?? "seccomp", errno: code)
    }

    /// The end that the child sends on.
    var number: Int32 { theirs.number }

    /// The descriptor that the child has sent; nil if the child failed before that.
    func receive() -> FileDescriptor? {
        let number = rl_receive_descriptor(ours.number)
        return number < 0 ? nil : FileDescriptor(owning: number)
    }
}
