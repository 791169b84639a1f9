// Whether the daemon could open its ports: each is bound for a moment, and not listened on.
internal import Glibc

/// - Parameter isOwn: whether the holder is the running daemon of these settings, or one of its workers.
/// - Returns: nil if there is nothing to say before the start.
func portFinding(_ spec: ListenSpec, _ rights: DaemonRights, isOwn: (PortHolder) -> Bool) -> Finding? {
    let name = printable(spec.address.description)
    let topic = "port \(name)"
    if case .unix(let path) = spec.address { return socketPathFinding(topic, path) }
    let error: SystemError
    do throws(SystemError) {
        try Listener.tryBinding(spec.address)
        return Finding(topic, ok: spec.address.port == 0 ? "the kernel chooses one" : "free")
    } catch let failure { error = failure }
    switch error.errno {
    case EADDRINUSE:
        guard let holder = PortHolder(of: spec.address) else {
            return Finding(
                topic, .broken, "in use by a process that cannot be seen", costs: "reloaderd does not start",
                cure: "ss -ltnp as root shows which; it may be outside of this container")
        }
        if isOwn(holder) { return Finding(topic, ok: "in use by the running daemon of this name") }
        return Finding(
            topic, .broken, "in use by \(holder.words(seenFrom: nil))", costs: "reloaderd does not start",
            cure: "end that process, or choose another port")
    case EACCES: return privilegedFinding(topic, spec.address.port ?? 0)
    case EADDRNOTAVAIL:
        return Finding(
            topic, .broken, "this machine has no such address", costs: "reloaderd does not start",
            cure: "ip address shows those that it has; net.ipv4.ip_nonlocal_bind=1 allows others")
    default:
        return Finding(
            topic, .broken, "\(error)", costs: "reloaderd does not start", cure: "choose another address")
    }
}

private func privilegedFinding(_ topic: String, _ port: UInt16) -> Finding {
    Finding(
        topic, .broken,
        "port \(port) is below net.ipv4.ip_unprivileged_port_start, \(PrivilegedPorts.firstUnprivileged)",
        costs: "reloaderd may not bind it, and does not start",
        cure: "start it as root, with AmbientCapabilities=CAP_NET_BIND_SERVICE, or lower that number")
}

/// `--share PORT`.
func permittedPortFinding(_ port: UInt16, _ rights: DaemonRights) -> Finding {
    let topic = "port \(port)"
    if port >= PrivilegedPorts.firstUnprivileged {
        return Finding(topic, ok: "not privileged: each worker may bind it itself")
    }
    if rights.has(.bindService) { return Finding(topic, ok: "bound for workers by CAP_NET_BIND_SERVICE") }
    return Finding(
        topic, .less,
        "--share \(port), which is below net.ipv4.ip_unprivileged_port_start, \(PrivilegedPorts.firstUnprivileged)",
        costs: "reloaderd may not bind it for its workers, and the kernel refuses it",
        cure: "start it as root, with AmbientCapabilities=CAP_NET_BIND_SERVICE, or lower that number")
}

private func socketPathFinding(_ topic: String, _ path: String) -> Finding? {
    // An abstract name has no place, and what depends on the directory of the start is a problem of the settings.
    guard path.utf8.first == UInt8(ascii: "/") else {
        return path.utf8.first == UInt8(ascii: "@") ? Finding(topic, ok: "has no file") : nil
    }
    let directory = directory(of: path)
    if let reason = folderProblem(directory) {
        return Finding(
            topic, .broken, "cannot write into \(printable(directory)), \(reason)", costs: "reloaderd does not start",
            cure: "make the directory, and let the daemon's user write there")
    }
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFSOCK else {
        return Finding(topic, ok: "\(printable(directory)) can be written")
    }
    return Finding(
        topic, .broken, "the file there is not a socket", costs: "reloaderd does not start",
        cure: "move it away, or choose another path")
}

/// Why no file can be made in the directory; nil if one can.
func folderProblem(_ path: String) -> String? {
    var status = stat()
    guard stat(path, &status) == 0 else { return String(cString: strerror(errno)) }
    guard status.st_mode & S_IFMT == S_IFDIR else { return String(cString: strerror(ENOTDIR)) }
    return faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0 ? nil : String(cString: strerror(errno))
}

func directory(of path: String) -> String {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    return slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
}
