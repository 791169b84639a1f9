// What a pool of this size needs beside what the limits, the control group and the network's settings allow.
internal import Glibc

/// What a worker costs the daemon: pidfd, ready pipe, notify socket, two output pipes, and with shared ports a
/// notification descriptor and a copy of a listening socket.
private let descriptorsPerWorker = (handed: 5, shared: 7)
/// The daemon's own: the loop, the log, control clients.
private let descriptorsOfDaemon = 64

func limitFindings(_ plan: Plan) -> [Finding] {
    [openFilesFinding(plan), processesFinding(plan), taskFinding(plan), cpuFinding(plan), memoryFinding(plan)]
        .compactMap { $0 } + [cgroupFinding()]
}

private func openFilesFinding(_ plan: Plan) -> Finding {
    var limit = rlimit()
    // Cannot fail for this limit and a valid address.
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let hard = Int(clamping: limit.rlim_max)
    let each = plan.sharesPorts ? descriptorsPerWorker.shared : descriptorsPerWorker.handed
    // A reload has old workers that drain beside the new ones: at worst each slot has both.
    let least = descriptorsOfDaemon + plan.workers * each
    let most = descriptorsOfDaemon + 2 * plan.workers * each
    let pool = counted(plan.workers, "worker")
    if hard >= most {
        return Finding("open-files", ok: "\(limitText(limit.rlim_max)), and \(pool) may take \(most) in a reload")
    }
    return Finding(
        "open-files", hard < least ? .broken : .less,
        "\(hard), and \(pool) take \(hard < least ? "\(least)" : "up to \(most) in a reload")",
        costs: hard < least ? "not all workers can be started" : "a reload may have to wait for descriptors",
        cure: "raise the hard limit: ulimit -Hn \(most), or LimitNOFILE=\(most) in the unit")
}

private func limitText(_ limit: rlim_t) -> String { limit == rlim_t.max ? "unlimited" : "\(limit)" }

/// RLIMIT_NPROC counts all processes and threads of the workers' user. It does not hold for root.
private func processesFinding(_ plan: Plan) -> Finding? {
    if plan.userID == 0 { return Finding("processes", ok: "no limit holds for root") }
    let own = plan.settings.program.resourceLimits.last { $0.resource == UInt32(__RLIMIT_NPROC.rawValue) }
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(__RLIMIT_NPROC.rawValue), &limit)
    let soft = own?.soft ?? UInt64(limit.rlim_cur)
    if soft == UInt64.max { return Finding("processes", ok: "unlimited") }
    let running = ProcessTree.all.lazy.filter {
        ProcFile.field("Uid:", in: "/proc/\($0)/status")?.prefix { $0 != "\t" } == "\(plan.userID)"
    }.map { Int(ProcFile.field("Threads:", in: "/proc/\($0)/status") ?? "1") ?? 1 }.reduce(0, +)
    return roomFinding(
        "processes", limit: Int(clamping: soft), used: running, of: "user \(plan.userID)", plan,
        cure: "raise it: ulimit -u, LimitNPROC= in the unit, or --rlimit nproc=N")
}

/// pids.max of the control groups.
func taskFinding(_ plan: Plan, root: String = "") -> Finding? {
    let tightest = ownGroups(root).compactMap { directory in
        numberInFile("\(directory)/pids.max").map { (limit: $0, used: numberInFile("\(directory)/pids.current") ?? 0) }
    }.min { $0.limit - $0.used < $1.limit - $1.used }
    guard let tightest else { return nil }
    return roomFinding(
        "tasks", limit: tightest.limit, used: tightest.used, of: "the control group", plan,
        cure: "raise pids.max: TasksMax= in the unit, or --pids-limit of the container")
}

private func roomFinding(
    _ topic: String, limit: Int, used: Int, of whose: String, _ plan: Plan, cure: String
) -> Finding {
    let found = "\(limit), of which \(whose) has \(used)"
    let room = limit - used
    if room >= plan.workers + plan.surge { return Finding(topic, ok: found) }
    return Finding(
        topic, room < plan.workers ? .broken : .less, found,
        costs: room < plan.workers
            ? "not all of \(counted(plan.workers, "worker")) can be started"
            : "a reload cannot start \(plan.surge) beside \(counted(plan.workers, "worker"))",
        cure: cure)
}

private func cpuFinding(_ plan: Plan) -> Finding {
    let quota = plan.cpus.quotaMilliCPUs.map { ", with a quota of \($0 / 1000).\($0 % 1000 / 100)" } ?? ""
    let workers =
        plan.settings.workers == .automatic ? "--workers auto is \(plan.workers)" : "--workers \(plan.workers)"
    return Finding("cpus", ok: "\(counted(plan.cpus.affinity, "CPU"))\(quota): \(workers)")
}

func memoryFinding(_ plan: Plan, root: String = "") -> Finding? {
    let tightest = ownGroups(root).compactMap { directory in
        numberInFile("\(directory)/memory.max").map {
            (limit: $0, used: numberInFile("\(directory)/memory.current") ?? 0)
        }
    }.min { $0.limit - $0.used < $1.limit - $1.used }
    guard let tightest else {
        let available = ProcFile.field("MemAvailable:", in: "/proc/meminfo")?.split(separator: " ").first
        let megabytes = available.flatMap { Int($0) }.map { "\($0 / 1024)M available" } ?? "not known how much"
        return Finding("memory", ok: "\(megabytes), and no limit in the control group")
    }
    let found = "\(tightest.limit >> 20)M in the control group, of which \(tightest.used >> 20)M are used"
    if let each = plan.settings.maxMemory {
        let (most, overflows) = each.multipliedReportingOverflow(by: UInt64(plan.workers + plan.surge))
        if overflows || most > UInt64(clamping: tightest.limit) {
            return Finding(
                "memory", .less, found,
                costs: "\(plan.workers) workers, and \(plan.surge) more in a reload, may take "
                    + "\(byteCountText(each)) each before --max-memory replaces one: the kernel may kill first",
                cure: "raise memory.max: MemoryMax= in the unit, --memory of the container; or lower --max-memory")
        }
    }
    return Finding("memory", ok: found)
}

/// Whether control groups may be made below the daemon's own.
private func cgroupFinding() -> Finding {
    guard let group = Cgroup.own(with: "memory").first(where: { $0.isUnified })?.directories.first else {
        return Finding("cgroup", ok: "version 2 is not mounted: quotas are read from version 1")
    }
    let isDelegated =
        ["", "/cgroup.procs", "/cgroup.subtree_control"].allSatisfy {
            faccessat(AT_FDCWD, group + $0, W_OK, AT_EACCESS) == 0
        }
    return Finding("cgroup", ok: "\(printable(group)), \(isDelegated ? "delegated" : "not delegated")")
}

/// The directories of version 2, from the daemon's own group up.
///
/// - Parameter root: as in `Cgroup`.
private func ownGroups(_ root: String) -> [String] {
    (Cgroup.own(with: "memory", root: root).first { $0.isUnified }?.directories ?? []).map { root + $0 }
}

// MARK: the network's settings

func networkFindings(_ plan: Plan) -> [Finding] {
    let backlog = Int(plan.settings.backlog)
    let somaxconn = numberInFile("/proc/sys/net/core/somaxconn")
    var findings: [Finding] = []
    if let somaxconn {
        findings.append(
            somaxconn >= backlog
                ? Finding("somaxconn", ok: "\(somaxconn), and --backlog is \(backlog)")
                : Finding(
                    "somaxconn", .less, "\(somaxconn), and --backlog is \(backlog)",
                    costs: "no more than \(somaxconn) connections wait on a socket, and further ones are dropped",
                    cure: "sysctl net.core.somaxconn=\(backlog), or --backlog \(somaxconn)"))
    }
    if plan.sharesPorts, let migrates = numberInFile("/proc/sys/net/ipv4/tcp_migrate_req") {
        findings.append(
            migrates != 0
                ? Finding("tcp-migrate-req", ok: "\(migrates)")
                : Finding(
                    "tcp-migrate-req", .note, "0",
                    costs: "connections that wait for a worker that has closed its socket, and that no other worker "
                        + "takes over, are reset", cure: "sysctl net.ipv4.tcp_migrate_req=1"))
    }
    return findings
}
