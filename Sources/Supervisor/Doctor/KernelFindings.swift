// What the kernel can, tried on children, sockets and descriptors made for that purpose: neither a version nor the
// name of a container's runtime says what is allowed here.
internal import CLinux
internal import Glibc

/// What needs no option to be used.
func kernelFindings(_ plan: Plan) -> [Finding] {
    let version = ProcFile.lines("/proc/sys/kernel/osrelease").first.map { "Linux \($0)" } ?? "here"
    return [
        tried(
            "pidfd", version, .broken, "workers can be neither watched nor signalled", needs: "pidfd_open(2), Linux 5.3"
        ) { () throws(SystemError) in try closed { rl_pidfd_open(getpid()) } },
        tried(
            "clone-pidfd", "works", .broken, "no worker can be started", needs: "clone(2) with CLONE_PIDFD, Linux 5.2"
        ) {
            rl_try_clone()
        },
        tried(
            "exit-info", "processes that are no children tell how they ended", .note,
            "the exit status of workers that are taken over from a killed daemon is unknown",
            needs: "PIDFD_GET_INFO, Linux 6.15"
        ) { rl_try_exit_info() },
        closeRangeFinding(),
        tried(
            "children", "/proc lists the children of processes", .less,
            "what a worker leaves behind is not found unless it becomes a child of the daemon",
            needs: "a kernel with CONFIG_PROC_CHILDREN"
        ) { ProcFile.text("/proc/self/task/\(getpid())/children") == nil ? -1 : 0 },
        tried(
            "pass-rights", "notify sockets refuse descriptors", .note,
            "the workers' own user can make the daemon wait, by descriptors that are slow to close",
            needs: "SO_PASSRIGHTS, Linux 6.16"
        ) { () throws(SystemError) in
            try closed {
                socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            } use: {
                rl_refuse_descriptors($0)
            }
        },
        tried(
            "sock-diag", "the kernel lists sockets", .less,
            "a drain does not wait for handshakes that are under way, and the process that has a port is not named",
            needs: "sock_diag(7)"
        ) { () throws(SystemError) in
            _ = try SocketTable()
            return 0
        },
    ]
}

/// A start does without the call if the kernel does not know it, and fails if it is forbidden.
private func closeRangeFinding() -> Finding {
    let error = rl_try_close_range() == 0 ? nil : SystemError(call: "close_range", errno: errno)
    let isUnknown = error?.errno == ENOSYS
    return tried(
        "close-range", "works", isUnknown ? .note : .broken,
        isUnknown
            ? "a starting worker copies the daemon's table of descriptors whole, which takes longer in large pools"
            : "no worker can be started", needs: "close_range(2), Linux 5.9"
    ) { () throws(SystemError) in
        if let error { throw error }
        return 0
    }
}

/// What workers that share ports need.
func sharingFindings(_ plan: Plan) -> [Finding] {
    guard plan.sharesPorts else {
        let why = plan.settings.listeners.isEmpty ? "--no-share" : "--listen"
        return [Finding("sharing", ok: "not needed with \(why)")] + (plan.settings.balance == .slot ? steering() : [])
    }
    return [sharingFinding(plan), ptraceFinding()]
        + [
            tried(
                "pidfd-thread", "works", .note, "a thread with a descriptor table of its own is refused shared ports",
                needs: "PIDFD_THREAD of pidfd_open(2), Linux 6.9"
            ) { rl_try_thread_pidfd() }
        ] + steering()
}

private func sharingFinding(_ plan: Plan) -> Finding {
    let obstacle: SystemError?
    do throws(SystemError) { obstacle = try CallChannel().obstacle() } catch { obstacle = error }
    guard let obstacle else { return Finding("sharing", ok: "workers can share ports, tried on a child") }
    let cause =
        obstacle.errno == EBUSY
        ? "give the outer reloaderd, or other reader of system calls, --no-share"
        : "in a container, add the capability SYS_PTRACE or allow \(obstacle.call) in its seccomp profile"
    return Finding(
        "sharing", plan.workers > 1 ? .broken : .less, "\(obstacle)",
        costs: plan.workers > 1
            ? "workers that bind a port themselves cannot share it, and reloaderd does not start"
            : "a reload of a program that binds its own port fails",
        cure: "\(cause), or use --listen or --no-share")
}

/// Yama's rule of who may look into whom.
private func ptraceFinding() -> Finding {
    switch numberInFile("/proc/sys/kernel/yama/ptrace_scope") {
    case nil: Finding("ptrace-scope", ok: "Yama is not in this kernel")
    case 0: Finding("ptrace-scope", ok: "0, each process may look into others of its user")
    case 1: Finding("ptrace-scope", ok: "1, a process may look into its descendants, which workers are")
    case let scope?:
        scope == 2 && DaemonRights().has(.ptrace)
            ? Finding("ptrace-scope", ok: "2, with CAP_SYS_PTRACE")
            : Finding(
                "ptrace-scope", .less, "\(scope)",
                costs: "no process may look into its children, so that ports cannot be shared",
                cure: "sysctl kernel.yama.ptrace_scope=1\(scope == 3 ? " after a reboot, 3 cannot be undone" : "")")
    }
}

/// Tried on a listening socket of 127.0.0.1, at a port that the kernel chooses.
private func steering() -> [Finding] {
    let group: Listener
    do throws(ListenError) {
        let any = ListenSpec(address: .tcp4(address: 0x7F00_0001, port: 0))
        group = try Listener(any, backlog: 1, reusesPort: true)
    } catch {
        return [
            Finding(
                "steering", .less, "cannot be tried, \(error)",
                costs: "it is not known whether new connections can be "
                    + "steered to the workers that serve", cure: "sockets of 127.0.0.1 must be possible here")
        ]
    }
    let number = group.descriptor.number
    let steers = tried(
        "steering", "new connections go to the workers that serve", .less,
        "new connections also reach workers that are leaving", needs: "SO_ATTACH_REUSEPORT_CBPF"
    ) { rl_steer(number, [0], 1, false) }
    if rl_steer_nowhere(number) == 0 {
        return [steers, Finding("refusing", ok: "new connections are refused at a stop, by eBPF")]
    }
    let reason = "no eBPF for sockets (\(SystemError(call: "bpf", errno: errno)))"
    if rl_refuse_connections(number, false) == 0 {
        return [
            steers,
            Finding(
                "refusing", .note, reason,
                costs: "new connections are dropped at a stop instead of refused, and clients try again for a while",
                cure: "start it as root, or with CAP_BPF and CAP_NET_ADMIN"),
        ]
    }
    return [
        steers,
        Finding(
            "refusing", .less, "\(reason), and no socket filter",
            costs: "connections that come during a stop are reset at its end",
            cure: "start it as root, or with CAP_BPF and CAP_NET_ADMIN"),
    ]
}

// MARK: trying

/// - Parameters:
///   - found: what to say if it works.
///   - level: how bad it is otherwise.
private func tried(
    _ topic: String, _ found: String, _ level: Finding.Level, _ cost: String, needs: String,
    _ call: () throws(SystemError) -> Int32
) -> Finding {
    let error: SystemError
    do throws(SystemError) {
        if try call() == 0 { return Finding(topic, ok: found) }
        error = SystemError(call: topic, errno: errno)
    } catch let failure { error = failure }
    // What a filter refuses is EPERM, and ENOSYS if the filter is kind; what a kernel does not know is the rest.
    let isFiltered = error.errno == EPERM || error.errno == EACCES
    return Finding(
        topic, level, error.reason, costs: cost,
        cure: isFiltered ? "allow it in the container's seccomp profile: \(needs)" : "needs \(needs)")
}

/// Closes what `open` has opened, after `use`.
private func closed(
    _ open: () -> Int32, use: (Int32) -> Int32 = { _ in 0 }
) throws(SystemError) -> Int32 {
    let file = FileDescriptor(owning: try checked("open", "", open))
    let result = use(file.number)
    let number = errno
    _ = consume file
    errno = number
    return result
}
