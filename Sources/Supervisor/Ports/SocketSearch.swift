// Whether a worker still has a socket open: asked of all its processes. "Nobody has it" is said on proof only, because
// what follows from it (its connections are given to others, or refused) can't be taken back.
internal import Glibc

enum SocketSearch {
    /// Where a process has the socket, or a thread that has descriptors of its own.
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

    /// - Parameters:
    ///   - worker: its process.
    ///   - kin: processes that may have been its children before their parents ended; nil: they can't be seen.
    static func search(_ inode: UInt64, of worker: Int32, kin: [Int32]?) -> Result {
        let result = search(inode, roots: [worker] + (kin ?? []))
        return kin == nil && result == .nowhere ? .unknown : result
    }

    private static func search(_ inode: UInt64, roots: [Int32]) -> Result {
        let first = look(inode, roots, orOnItsWay: false)
        guard first == .nowhere else { return first }
        // A process that was forked while we looked may have been missed, with its parent's descriptor closed
        // meanwhile. It is there now.
        return look(inode, roots, orOnItsWay: true)
    }

    private static func look(_ inode: UInt64, _ roots: [Int32], orOnItsWay: Bool) -> Result {
        let trees = roots.map { ProcessTree.look(at: $0) }
        let processes = trees.flatMap { $0.processes }
        var isComplete = trees.allSatisfy { $0.isComplete } && processes.count < ProcessTree.processesMax
        for process in processes {
            let tables: [Int32]
            do throws(SystemError) { tables = try ProcessTree.tables(of: process) } catch {
                isComplete = false
                continue
            }
            for table in tables {
                switch look(inode, inTableOf: table, orOnItsWay: orOnItsWay && (processes.count > 1 || tables.count > 1))
                {
                case .found(let place): return .found(place)
                case .unknown: isComplete = false
                case .nowhere: break
                }
            }
        }
        return isComplete ? .nowhere : .unknown
    }

    /// - Parameter orOnItsWay: there is somebody else to send a descriptor to.
    private static func look(_ inode: UInt64, inTableOf thread: Int32, orOnItsWay: Bool) -> Result {
        var left = Int.max
        guard let sockets = OpenSockets.look(atTableOf: thread, atMost: &left) else { return .unknown }
        if let socket = sockets.first(where: { $0.inode == inode }) {
            return .found(Place(process: thread, descriptor: socket.descriptor))
        }
        let isOnItsWay =
            orOnItsWay
            && sockets.contains { ProcessTree.sendsDescriptors(thread, over: $0.descriptor) ?? true }
        return isOnItsWay ? .unknown : .nowhere
    }
}
