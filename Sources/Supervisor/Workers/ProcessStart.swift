// One process on its way from clone(2) to its program. It is set up beside the daemon and can be held up there: by
// somebody who stops it, or by a file server that does not answer. So nothing here waits for it, and everything that it
// uses is kept until it has executed its program or is gone.
internal import CLinux
internal import Glibc
internal import Reloader

/// An open descriptor that a new process is given, kept open until it has a copy.
final class HandedDescriptor {
    private let descriptor: FileDescriptor

    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    var number: Int32 { descriptor.number }
}

/// Why a process did not come to execute its program: the step, and what was wrong with it.
struct StartFailure: Error {
    let stage: rl_stage
    let error: SystemError
}

final class ProcessStart {
    enum Outcome {
        /// It runs its program, or has run it and ended. nil: /proc does not tell about it.
        case executed(ProcessStatus?)
        /// It never did, and is reaped.
        case failed(StartFailure)
    }

    let pid: Int32
    /// The pidfd: readable when the process has ended.
    let exit: Channel
    /// Readable when there is news of the process.
    let channel: Channel
    /// No process was started earlier that this one may have started, in the kernel's clock ticks.
    let ticksMin: Int
    private var hasHungUp = false
    /// The stack of the process, and all that it reads. nil once it is freed.
    private var memory: OpaquePointer?
    private var handed: [HandedDescriptor]
    private var kept: AnyObject?
    private var calls: FileDescriptor?

    /// Starts the process.
    ///
    /// - Parameters:
    ///   - request: without its pointers and its channel. Its numbers must be open for as long as the daemon runs,
    ///     or belong to `handed` or to `kept`.
    ///   - arguments: they and the environment end with NULL.
    ///   - kept: lives until the process has descriptors of its own.
    init(
        _ request: rl_spawn_request, path: String, arguments: [UnsafeMutablePointer<CChar>?],
        environment: [UnsafeMutablePointer<CChar>?], descriptors: [Int32], limits: [rl_limit], groups: [UInt32] = [],
        handed: [HandedDescriptor], kept: AnyObject? = nil
    ) throws(StartFailure) {
        precondition(arguments.last == .some(nil) && environment.last == .some(nil), "execve needs a NULL at the end")
        let (ours, theirs): (Channel, HandedDescriptor)
        do throws(SystemError) { (ours, theirs) = try Self.makeChannel() } catch {
            throw StartFailure(stage: rl_stage_clone, error: error)
        }
        ticksMin = ProcessStatus.ticksNow
        var request = request
        request.channel = theirs.number
        request.descriptor_count = Int32(descriptors.count)
        request.limit_count = Int32(limits.count)
        request.group_count = Int32(groups.count)
        var pid: Int32 = -1
        var pidfd: Int32 = -1
        var code: Int32 = 0
        // rl_start copies all that these pointers lead to.
        memory = path.withCString { path in
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
                                let start = rl_start(&request, &pid, &pidfd)
                                code = errno
                                return start
                            }
                        }
                    }
                }
            }
        }
        if memory == nil {
            throw StartFailure(stage: rl_stage_clone, error: SystemError(call: "clone", errno: code))
        }
        self.pid = pid
        exit = Channel(FileDescriptor(owning: pidfd).moved())
        channel = ours
        self.handed = handed + [theirs]
        self.kept = kept
    }

    private static func makeChannel() throws(SystemError) -> (Channel, HandedDescriptor) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        try checked("socketpair", "AF_UNIX") { socketpair(AF_UNIX, type, 0, &ends) }
        return (Channel(FileDescriptor(owning: ends[0])), HandedDescriptor(FileDescriptor(owning: ends[1])))
    }

    /// The memory of a process that is not known to be gone is never freed.
    private func free() {
        if let memory { rl_free_start(memory) }
        memory = nil
        handed.removeAll()
        kept = nil
    }

    /// The descriptor that the process' calls of bind(2) and listen(2) are reported to; nil if it reports none.
    func takeCalls() -> FileDescriptor? { calls.take() }

    // MARK: hearing

    /// Looks at what has come of the process. nil: it is still being set up. When there is an outcome, the channel is
    /// no longer watched.
    func look(_ loop: Loop) throws(SystemError) -> Outcome? {
        guard let memory else { return nil }
        try hear(loop, memory)
        var exit = rl_exit()
        let pidfd = self.exit.number
        try checked("waitid", "pid \(pid)") { rl_peek_pidfd(pidfd, &exit) }
        let hasEnded = exit.pid != 0
        if !hasHungUp && !hasEnded { return nil }
        let state = rl_look_at_start(memory)
        if state.error == 0 {
            let status = ProcessStatus(pid, loop.buffer)
            if status?.hasExecuted ?? (state.stage == rl_stage_exec) {
                try loop.unwatch(channel)
                free()
                return .executed(status)
            }
        }
        // It has hung up because it is about to end.
        if !hasEnded { return nil }
        try loop.unwatch(channel)
        try checked("waitid", "pid \(pid)") { rl_reap_pidfd(pidfd, &exit) }
        let failure = failure(state, otherwise: "the new process \(ExitStatus(exit).words)", ECANCELED)
        free()
        return .failed(failure)
    }

    private func hear(_ loop: Loop, _ memory: OpaquePointer) throws(SystemError) {
        let number = channel.number
        while !hasHungUp {
            var descriptor: Int32 = -1
            let count = try checkedUnlessWouldBlock("recvmsg", "a new process") { rl_receive_note(number, &descriptor) }
            guard let count else { return }
            if descriptor >= 0 { calls = FileDescriptor(owning: descriptor) }
            if rl_look_at_start(memory).has_own_descriptors {
                handed.removeAll()
                kept = nil
            }
            if count == 0 {
                hasHungUp = true
                // Its end would be news for ever.
                try loop.unwatch(channel)
            }
        }
    }

    private func failure(
        _ state: rl_start_state, otherwise explanation: String, _ code: Int32
    ) -> StartFailure {
        let error =
            state.error == 0
            ? SystemError(call: "execve", errno: code, explanation: explanation)
            : SystemError(call: "execve", errno: state.error)
        return StartFailure(stage: state.stage, error: error)
    }

    // MARK: ending

    /// Kills the process because it has taken too long. It may not end for ever, if the kernel waits for something on
    /// its behalf.
    ///
    /// - Returns: why it was killed.
    func giveUp(after time: Duration, _ loop: Loop) throws(SystemError) -> StartFailure? {
        guard let memory else { return nil }
        let limit = "within \(LogFormatter.seconds(time))s"
        let explanation =
            switch ProcessStatus(pid, loop.buffer)?.state {
            case .stopped?: "the new process was stopped and did not go on \(limit)"
            case .waiting?: "the new process waits for a file system or a device that did not answer \(limit)"
            case .other?, nil: "the new process did not come to run its program \(limit)"
            }
        let failure = failure(rl_look_at_start(memory), otherwise: explanation, ETIMEDOUT)
        kill()
        try loop.unwatch(channel)
        return failure
    }

    func kill() { _ = rl_signal(exit.number, SIGKILL) }

    /// Call it when the process has ended and is about to be reaped.
    func isGone() { free() }
}
