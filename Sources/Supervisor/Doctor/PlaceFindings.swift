// The directories that the daemon makes or writes into, the clock, and what it runs in.
internal import Glibc
internal import Reloader

func placeFindings(_ settings: Settings, _ environment: Environment) -> [Finding] {
    let paths = ControlPaths(settings, environment)
    var findings = [controlFinding(paths)]
    if settings.control != .none { findings.append(historyFinding(paths)) }
    if settings.onEvent != nil {
        findings.append(
            access("/bin/sh", X_OK) == 0
                ? Finding("hooks", ok: "/bin/sh is there")
                : Finding(
                    "hooks", .less, "no /bin/sh", costs: "--on-event runs nothing",
                    cure: "put a shell into the image, or leave --on-event out"))
    }
    return findings
}

private func controlFinding(_ paths: ControlPaths) -> Finding {
    let topic = "control"
    switch paths.socket {
    case nil: return Finding(topic, ok: "no control socket, as --control none asks")
    case .path(let path)?:
        let folder = directory(of: path)
        guard let reason = folderProblem(folder) else { return Finding(topic, ok: printable(path)) }
        return Finding(
            topic, .broken, "cannot write into \(printable(folder)), \(reason)", costs: "reloaderd does not start",
            cure: "make the directory, choose another --control PATH, or --control none")
    case .folder(let path, _)?: return folderFinding(topic, path, of: "the control socket", paths.name)
    case .fallback?:
        let path = FallbackDirectory.path
        var status = stat()
        guard lstat(path, &status) == 0, let problem = FallbackDirectory.problem() else {
            return folderFinding(topic, path, of: "the control socket", paths.name)
        }
        return Finding(
            topic, .less, "\(path) is not safe, \(problem)",
            costs: "no control socket, so that no verb reaches the daemon",
            cure: "remove it, set XDG_RUNTIME_DIR, or --control PATH")
    }
}

private func historyFinding(_ paths: ControlPaths) -> Finding {
    guard let path = paths.stateDirectory else {
        return Finding(
            "history", .less, "neither HOME nor XDG_STATE_HOME is set", costs: "the history of deploys is not kept",
            cure: "set one of them")
    }
    return folderFinding("history", path, of: "the history of deploys", "")
}

/// A folder that the daemon makes if it is not there.
private func folderFinding(_ topic: String, _ path: String, of what: String, _ name: String) -> Finding {
    var place = path
    var status = stat()
    while stat(place, &status) != 0, errno == ENOENT, place != "/", place != "." { place = directory(of: place) }
    let isThere = place == path
    if let reason = folderProblem(place) {
        return Finding(
            topic, .less, "cannot write into \(printable(place)), \(reason)",
            costs: topic == "control"
                ? "no control socket, so that no verb reaches the daemon" : "\(what) is not kept",
            cure: topic == "control"
                ? "let user \(geteuid()) write there, set XDG_RUNTIME_DIR, or --control PATH"
                : "let user \(geteuid()) write there, or set XDG_STATE_HOME")
    }
    let owner = isThere ? "of user \(status.st_uid)" : "which the start makes"
    return Finding(topic, ok: "\(printable(path)), \(owner)")
}

// MARK: clock

/// The clocks at one moment.
struct ClockReading {
    /// Seconds since 1970.
    var wall: Int
    var monotonic: Int
    /// Goes on while the machine sleeps.
    var boot: Int

    init(wall: Int, monotonic: Int, boot: Int) {
        self.wall = wall
        self.monotonic = monotonic
        self.boot = boot
    }

    init() {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)  // none of them can fail for a valid address
        boot = time.tv_sec
        monotonic = Int(MonotonicClock.now().nanoseconds / 1_000_000_000)
        wall = WallClock.now().tv_sec
    }
}

/// This was written then: no clock is right that has less.
private let firstSaneSecond = 1_767_225_600  // 2026-01-01

func clockFindings(_ clocks: ClockReading) -> [Finding] {
    var findings: [Finding] = []
    if clocks.wall < firstSaneSecond {
        findings.append(
            Finding(
                "clock", .less, "the wall clock is in the past, at \(clocks.wall) seconds after 1970",
                costs: "times in the log and the history are wrong", cure: "set it: timedatectl set-ntp true"))
    } else {
        findings.append(Finding("clock", ok: "the wall clock is later than 2025"))
    }
    // A namespace of clocks can set either of them apart, too.
    if clocks.boot - clocks.monotonic > 1 {
        findings.append(
            Finding(
                "sleep", .note, "this machine has slept for \(clocks.boot - clocks.monotonic)s since its start",
                costs: "no time limit goes on while it sleeps", cure: "servers are best kept from sleeping"))
    }
    return findings
}

// MARK: what it runs in

func surroundings(_ environment: Environment) -> [Finding] {
    var words: [String] = []
    if getpid() == 1 { words.append("PID 1 of its namespace") }
    if let container = containerName(environment) { words.append("a container (\(container))") }
    if let map = ProcFile.lines("/proc/self/uid_map").first?.split(separator: " "), map.first != map.dropFirst().first {
        words.append("a user namespace")
    }
    if environment["INVOCATION_ID"] != nil { words.append("a unit of systemd") }
    var findings = [Finding("surroundings", ok: words.isEmpty ? "none that matter" : words.joined(separator: ", "))]
    if let socket = environment["NOTIFY_SOCKET"], socket.utf8.first == UInt8(ascii: "/") {
        var status = stat()
        findings.append(
            stat(socket, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
                ? Finding("manager", ok: "a service manager listens at \(printable(socket))")
                : Finding(
                    "manager", .less, "NOTIFY_SOCKET is \(printable(socket)), and no socket is there",
                    costs: "the service manager cannot be told when the pool is ready, and may end the daemon",
                    cure: "bind that path into the container, or unset the variable"))
    }
    return findings
}

private func containerName(_ environment: Environment) -> String? {
    if let name = environment["container"], !name.isEmpty { return printable(name) }
    if access("/run/.containerenv", F_OK) == 0 { return "podman" }
    if access("/.dockerenv", F_OK) == 0 { return "docker" }
    return environment["KUBERNETES_SERVICE_HOST"] == nil ? nil : "kubernetes"
}
