// Children of the daemon that it did not start. It is the subreaper of all that it starts, so what loses its parent becomes its
// own child; which worker that came from is a matter of proof.
internal import Glibc

struct Orphan {
    let identity: ProcessIdentity
    let session: Int32
}

struct Orphans {
    /// Its children before it had any of its own: of the program that has become the daemon by exec.
    private let earlier: Set<ProcessIdentity>
    private let buffer: UnsafeMutableRawBufferPointer

    /// The kernel says who its children are (CONFIG_PROC_CHILDREN, and /proc is mounted).
    let areVisible: Bool

    /// To be made before anything is started.
    init(_ buffer: UnsafeMutableRawBufferPointer) {
        self.buffer = buffer
        let children = Self.children()
        areVisible = children != nil
        let identities = (children ?? []).compactMap { pid in
            ProcessStatus(pid, buffer).map { ProcessIdentity(pid, $0) }
        }
        earlier = Set(identities)
    }

    /// Whatever becomes the daemon's child was started by something that it has started: it is no init process, to which
    /// others' orphans come as well, and had no children before.
    var areAllOurs: Bool { earlier.isEmpty && getpid() != 1 }

    /// Those that live.
    ///
    /// - Parameter isOwn: the daemon has started it itself.
    func living(isOwn: (Int32) -> Bool) -> [Orphan] {
        (Self.children() ?? []).compactMap { pid in
            if isOwn(pid) { return nil }
            guard let status = ProcessStatus(pid, buffer), !status.hasEnded else { return nil }
            let identity = ProcessIdentity(pid, status)
            return earlier.contains(identity) ? nil : Orphan(identity: identity, session: status.session)
        }
    }

    /// The process and all that descends from it, as far as it lives.
    func family(of pid: Int32) -> [Orphan] {
        ProcessTree.processes(of: pid).compactMap { pid in
            guard let status = ProcessStatus(pid, buffer), !status.hasEnded else { return nil }
            return Orphan(identity: ProcessIdentity(pid, status), session: status.session)
        }
    }

    /// proc_pid_children(5): of the daemon's one thread.
    private static func children() -> [Int32]? {
        guard let bytes = ProcFile.bytes("/proc/self/task/\(getpid())/children") else { return nil }
        return bytes.split(separator: UInt8(ascii: " ")).compactMap {
            decimal($0).map { Int32(truncatingIfNeeded: $0) }
        }
    }
}
