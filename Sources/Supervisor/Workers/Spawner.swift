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
    /// The CPUs that `--pin` assigns in turn; empty if the kernel does not list them.
    let cpus: [Int32]
    /// Whether workers report their calls of bind(2) and listen(2).
    private let sharesPorts: Bool
    private let notifySockets: NotifyDirectory
    private let null: FileDescriptor

    init(
        name: String, listenerNames: [String?], fileLimit: ResourceLimit, pipesOutput: Bool, pipesErrors: Bool,
        cpus: [Int32], sharesPorts: Bool, notifySockets: NotifyDirectory
    ) throws(SystemError) {
        let null = FileDescriptor(owning: try checked("open", "/dev/null") { open("/dev/null", O_RDWR | O_CLOEXEC) })
        self.name = name
        self.listenerNames = listenerNames
        self.cpus = cpus
        self.fileLimit = fileLimit
        self.pipesOutput = pipesOutput
        self.pipesErrors = pipesErrors
        self.sharesPorts = sharesPorts
        self.notifySockets = notifySockets
        self.null = null
    }

    /// A process that is being set up, with the daemon's ends of its channels. Nothing is registered anywhere yet.
    struct Spawned: ~Copyable {
        let process: ProcessStart
        let readyPipe: FileDescriptor
        let notifySocket: FileDescriptor
        let notifyAddress: String
        let notifyFile: NotifyFile?
        let stdoutPipe: FileDescriptor?
        let stderrPipe: FileDescriptor?
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

        let (stdoutEnd, stderrEnd) = (Self.writeEnd(of: stdout), Self.writeEnd(of: stderr))
        let copies = try copies(of: listeners, generation)
        var descriptors = [null.number, stdoutEnd?.number ?? 1, stderrEnd?.number ?? 2]
        descriptors += copies.map { $0.number }
        let readyNumber = descriptors.count
        descriptors.append(ready.writeEnd.number)
        let handed = copies + [ready.writeEnd, stdoutEnd, stderrEnd].compactMap { $0 }
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
        let process = try begin(
            generation, slot: slot, descriptors: descriptors, environment: environment, pidText: pidText, handed)
        withExtendedLifetime(own) {}
        let (notifyAddress, notifyFile) = (notify.address, notify.file)
        return Spawned(
            process: process, readyPipe: ready.takeReadEnd().moved(), notifySocket: notify.takeDescriptor().moved(),
            notifyAddress: notifyAddress, notifyFile: notifyFile, stdoutPipe: stdout?.takeReadEnd().moved(),
            stderrPipe: stderr?.takeReadEnd().moved())
    }

    /// The daemon may close a listener at any time, the process needs it a moment longer, and the copy has a low
    /// number.
    private func copies(of listeners: [Int32], _ generation: Generation) throws(SpawnError) -> [HandedDescriptor] {
        var copies: [HandedDescriptor] = []
        for listener in listeners {
            let copy = try channel(generation) { () throws(SystemError) in
                FileDescriptor(
                    owning: try checked("fcntl", "F_DUPFD_CLOEXEC") { fcntl(listener, F_DUPFD_CLOEXEC, 0) })
            }
            copies.append(HandedDescriptor(copy))
        }
        return copies
    }

    private func begin(
        _ generation: Generation, slot: Int, descriptors: [Int32], environment: [UnsafeMutablePointer<CChar>?],
        pidText: UnsafeMutablePointer<CChar>?, _ handed: [HandedDescriptor]
    ) throws(SpawnError) -> ProcessStart {
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
        request.cpu = program.pinsCPUs && !cpus.isEmpty ? cpus[slot % cpus.count] : -1
        request.reports_calls = sharesPorts
        request.sets_user = program.user != nil
        request.user = program.user?.userID ?? 0
        request.group = program.user?.groupID ?? 0
        let groups = program.user?.supplementaryGroups ?? []

        do throws(StartFailure) {
            return try ProcessStart(
                request, path: generation.executable.path, arguments: generation.arguments.pointers + [nil],
                environment: environment, descriptors: descriptors, limits: limits, groups: groups, handed: handed,
                kept: generation)
        } catch { throw SpawnError(error, program: program.path) }
    }

    private static func writeEnd(of pipe: borrowing Pipe?) -> HandedDescriptor? {
        switch pipe {
        case .some(let pipe): pipe.writeEnd
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

/// A pipe(7) with an owner for each end.
struct Pipe: ~Copyable {
    let readEnd: FileDescriptor
    let writeEnd: HandedDescriptor

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
        let writer = HandedDescriptor(FileDescriptor(owning: ends.1))
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

    /// Keeps the read end, and lets go of the write end.
    consuming func takeReadEnd() -> FileDescriptor { readEnd }
}

/// Carries a process' seccomp notification descriptor to the daemon, when it is tried whether that works here.
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
    private var number: Int32 { theirs.number }

    /// The descriptor that the child has sent; nil if the child failed before that.
    private func receive() -> FileDescriptor? {
        let number = rl_receive_descriptor(ours.number)
        return number < 0 ? nil : FileDescriptor(owning: number)
    }
}
