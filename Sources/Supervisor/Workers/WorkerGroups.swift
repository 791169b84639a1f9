// A control group (cgroup v2) for each worker, with --cgroup: what a worker has started is then known exactly, whatever
// it did to hide, and can be killed at once. The kernel's admin-guide/cgroup-v2.rst has the files, and a section on
// what must have been delegated.
internal import Glibc
internal import Reloader

/// The control group of one worker. Removed when the object goes, if nothing is left in it.
final class WorkerGroup {
    let path: String
    /// Kept until the process has a copy.
    let directory: HandedDescriptor

    fileprivate init(_ path: String) throws(SystemError) {
        directory = HandedDescriptor(
            FileDescriptor(owning: try checked("open", path) { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }))
        self.path = path
    }

    /// The one that an earlier program has made for a worker; nil: it is gone.
    init?(madeBefore path: String) {
        let number = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { return nil }
        directory = HandedDescriptor(FileDescriptor(owning: number))
        self.path = path
    }

    deinit { remove() }

    /// The processes in it; zombies are none.
    var processes: Set<Int32> { WorkerGroups.processes(of: path) }

    /// Whether the kernel has killed a process in it because memory ran out; nil if the group counts no memory.
    var wasOutOfMemory: Bool? {
        let line = ProcFile.lines("\(path)/memory.events").first { $0.hasPrefix("oom_kill ") }
        return line.map { $0 != "oom_kill 0" }
    }

    /// Sends SIGKILL to all that is in it, now and at once.
    ///
    /// - Throws: ENOENT before Linux 5.14.
    func kill() throws(SystemError) { try WorkerGroups.write("1", to: "\(path)/cgroup.kill") }

    /// Does nothing as long as a process is in it.
    func remove() { rmdir(path) }
}

/// The control group that the daemon was delegated, and those of its workers below.
final class WorkerGroups {
    /// Where the daemon itself goes if workers have a memory limit: only groups without processes of their own may pass
    /// controllers on.
    private static let daemonsName = "supervisor"

    private let own: String
    private let prefix: String
    private let memoryLimit: UInt64?

    /// - Throws: in words, why workers can have no groups here.
    init(memoryLimit: UInt64?) throws(WorkerGroupError) {
        guard let own = Self.own else {
            throw WorkerGroupError("no cgroup2 hierarchy is mounted that has this process")
        }
        self.own = own
        self.memoryLimit = memoryLimit
        prefix = "worker-\(getpid())-"
        do throws(SystemError) {
            if memoryLimit != nil { try passMemoryOn() }
            // Now rather than at the first worker.
            rmdir(try makeFolder(prefix + "0"))
        } catch {
            end()
            throw WorkerGroupError(error)
        }
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let own: String
        let prefix: String
        let memoryLimit: UInt64?
    }

    var state: State { State(own: own, prefix: prefix, memoryLimit: memoryLimit) }

    init(_ state: State) {
        own = state.own
        prefix = state.prefix
        memoryLimit = state.memoryLimit
    }

    // MARK: groups

    /// The v2 group that this process is in. nil if its mount does not show it.
    private static var own: String? {
        Cgroup.own(with: "").lazy.filter { $0.isUnified }.compactMap { $0.directories.first }
            .first { processes(of: $0).contains(getpid()) }
    }

    /// Makes the group for the process that becomes this worker.
    func make(for id: WorkerID) throws(SystemError) -> WorkerGroup {
        let group = try WorkerGroup(try makeFolder(prefix + String(id.number)))
        guard let memoryLimit else { return group }
        do throws(SystemError) {
            try Self.write(String(memoryLimit), to: "\(group.path)/memory.max")
            // A worker without one of its processes is no worker: it ends as a whole and is replaced.
            try Self.write("1", to: "\(group.path)/memory.oom.group")
        } catch {
            group.remove()
            throw error
        }
        return group
    }

    /// Call it when no worker is left: removes what is left of the groups, with a last SIGKILL.
    func end() {
        for name in ProcFile.names(in: own) where name.hasPrefix(prefix) {
            try? Self.write("1", to: "\(own)/\(name)/cgroup.kill")
            rmdir("\(own)/\(name)")
        }
        guard memoryLimit != nil else { return }
        // As it was found. In a service or a container it goes with all the rest.
        let daemons = "\(own)/\(Self.daemonsName)"
        try? Self.write("-memory", to: "\(own)/cgroup.subtree_control")
        for process in Self.processes(of: daemons) { try? Self.write("\(process)", to: "\(own)/cgroup.procs") }
        rmdir(daemons)
    }

    private func makeFolder(_ name: String) throws(SystemError) -> String {
        let path = "\(own)/\(name)"
        try checked("mkdir", path) { mkdir(path, 0o755) }
        return path
    }

    /// Lets the workers' groups have memory limits: the daemon, and whatever else is in its group, moves below it.
    private func passMemoryOn() throws(SystemError) {
        let daemons = "\(own)/\(Self.daemonsName)"
        if mkdir(daemons, 0o755) < 0, errno != EEXIST {
            throw SystemError(call: "mkdir", errno: errno, subject: daemons)
        }
        for process in Self.processes(of: own) {
            do throws(SystemError) { try Self.write("\(process)", to: "\(daemons)/cgroup.procs") } catch {
                // It has just ended.
                if error.errno != ESRCH { throw error }
            }
        }
        try Self.write("+memory", to: "\(own)/cgroup.subtree_control")
    }

    fileprivate static func processes(of path: String) -> Set<Int32> {
        Set(ProcFile.lines("\(path)/cgroup.procs").compactMap { Int32($0) })
    }

    fileprivate static func write(_ text: String, to path: String) throws(SystemError) {
        let file = FileDescriptor(owning: try checked("open", path) { open(path, O_WRONLY | O_CLOEXEC) })
        let bytes = Array(text.utf8)
        try checked("write", path) { Glibc.write(file.number, bytes, bytes.count) }
    }
}

/// Why workers can have no control groups of their own: one line.
public struct WorkerGroupError: Error, Sendable, CustomStringConvertible {
    public let description: String

    init(_ reason: String, hint: String = "") {
        description = "--cgroup: workers cannot have control groups of their own: \(reason)\(hint)"
    }

    init(_ error: SystemError) {
        let hint =
            switch error.errno {
            case EROFS:
                " (a unit needs Delegate=yes and ProtectControlGroups=no; a container needs its hierarchy mounted "
                    + "writable)"
            case EACCES, EPERM: " (the group must be delegated to this user: Delegate=yes in a unit)"
            case EINVAL, ENOENT: " (--memory-limit needs the memory controller in this group's cgroup.controllers)"
            default: ""
            }
        self.init("\(error)", hint: hint)
    }
}
