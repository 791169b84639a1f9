// Whether a worker still has a socket open: asked of all its processes. "Nobody has it" is said on proof only, because
// what follows from it (its connections are given to others, or refused) can't be taken back.
internal import Glibc

enum SocketSearch {
    /// Where a process has the socket.
    struct Place: Equatable {
        var process: Int32
        var descriptor: Int32

        /// The descriptor is still that socket. One system call, where a search reads all descriptors of all processes.
        func stillHas(_ inode: UInt64) -> Bool { OpenSockets.inode(of: process, descriptor) == inode }
    }

    enum Result: Equatable {
        case found(Place)
        /// No process of the worker has it, nor is it on its way from one to another.
        case nowhere
        /// Some process could not be looked at, or a descriptor is on its way.
        case unknown
    }

    /// - Parameter roots: the worker, and processes that may have been its children before their parents ended.
    static func search(_ inode: UInt64, roots: [Int32]) -> Result {
        let first = look(inode, roots, orOnItsWay: false)
        guard first == .nowhere else { return first }
        // A process that was forked while we looked may have been missed, with its parent's descriptor closed
        // meanwhile. It is there now.
        return look(inode, roots, orOnItsWay: true)
    }

    private static func look(_ inode: UInt64, _ roots: [Int32], orOnItsWay: Bool) -> Result {
        let processes = roots.flatMap { ProcessTree.processes(of: $0) }
        var isComplete = processes.count < ProcessTree.processesMax
        for process in processes {
            guard let sockets = OpenSockets.look(at: process) else {
                isComplete = false
                continue
            }
            if let socket = sockets.first(where: { $0.inode == inode }) {
                return .found(Place(process: process, descriptor: socket.descriptor))
            }
            // One process alone has nobody to send a descriptor to.
            if orOnItsWay, processes.count > 1,
                sockets.contains(where: { ProcessTree.sendsDescriptors(process, over: $0.descriptor) })
            {
                isComplete = false
            }
        }
        return isComplete ? .nowhere : .unknown
    }
}
