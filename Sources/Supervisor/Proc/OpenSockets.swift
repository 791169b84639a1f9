// The sockets that a process has open, from proc_pid_fd(5), without making a string for each descriptor; and all
// sockets of the machine, from sock_diag(7).
internal import CLinux
internal import Glibc

enum OpenSockets {
    typealias Socket = (descriptor: Int32, inode: UInt64)

    /// All sockets that can be seen. A process that has just ended has none.
    static func all(of pid: Int32) -> [Socket] { look(at: pid) ?? [] }

    /// All sockets of the process; nil if they can't be seen, which does not mean that there are none.
    static func look(at pid: Int32) -> [Socket]? {
        var left = Int.max
        return all(of: pid, atMost: &left)
    }

    /// All sockets of the process, apart from those in further descriptor tables that its threads may have: to tell
    /// these apart takes kcmp(2), which waits for an exec that may not end, so that it is left to the helper. nil if
    /// they can't be seen, or if the process has more descriptors than `left`, the number that may still be read.
    static func all(of pid: Int32, atMost left: inout Int) -> [Socket]? {
        guard let sockets = look(atTableOf: pid, atMost: &left) else { return nil }
        if !sockets.isEmpty { return sockets }
        // A first thread that has ended has none.
        for thread in ProcessTree.threads(of: pid) where thread != pid {
            guard let sockets = look(atTableOf: thread, atMost: &left) else { return nil }
            if !sockets.isEmpty { return sockets }
        }
        return []
    }

    /// All sockets in the descriptor table of this thread; nil as above.
    static func look(atTableOf thread: Int32, atMost left: inout Int) -> [Socket]? {
        read("/proc/\(thread)/fd", &left)
    }

    /// The inode of a descriptor of the process or thread; nil if it has no descriptor of this number, or it is not a
    /// socket.
    static func inode(of pid: Int32, _ descriptor: Int32) -> UInt64? {
        inode(AT_FDCWD, "/proc/\(pid)/fd/\(descriptor)")
    }

    /// Reads a folder of descriptors. A process that has just ended has none.
    private static func read(_ path: String, _ left: inout Int) -> [Socket]? {
        guard let folder = opendir(path) else { return errno == ENOENT || errno == ESRCH ? [] : nil }
        defer { closedir(folder) }
        let number = dirfd(folder)
        var sockets: [Socket] = []
        while let entry = readdir(folder) {
            if entry.pointee.d_name.0 == CChar(bitPattern: UInt8(ascii: ".")) { continue }
            if left == 0 { return nil }
            left -= 1
            let socket = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                    Self.inode(number, name).map { (Int32(atoi(name)), $0) }
                }
            }
            if let socket { sockets.append(socket) }
        }
        return sockets
    }

    /// The inode from a link to `socket:[12345]`; nil for any other link.
    private static func inode(_ folder: Int32, _ name: UnsafePointer<CChar>) -> UInt64? {
        let prefix = "socket:["
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { target in
            guard let start = target.baseAddress else { return nil }
            let count = readlinkat(folder, name, start, target.count)
            guard count > 0, count < target.count else { return nil }
            let bytes = target[..<count].lazy.map { UInt8(bitPattern: $0) }
            guard bytes.starts(with: prefix.utf8) else { return nil }
            return decimal(bytes.dropFirst(prefix.utf8.count).dropLast())
        }
    }
}

/// The machine's TCP and unix sockets by inode.
struct SocketTable {
    /// How many TCP sockets of the machine are read at most, at some 0.5 µs each: the loop has other work to do.
    private static let socketsMax = 65_536

    private let sockets: [UInt64: rl_socket]

    /// - Throws: EOVERFLOW if there are more than `socketsMax`; other errors if the kernel does not tell.
    init() throws(SystemError) {
        do throws(SystemError) {
            // Try with a small table first: most machines need no larger one.
            sockets = try Self.read(room: 4096)
        } catch  where error.errno == EOVERFLOW {
            sockets = try Self.read(room: Self.socketsMax)
        }
    }

    private static func read(room: Int) throws(SystemError) -> [UInt64: rl_socket] {
        let buffer = UnsafeMutableBufferPointer<rl_socket>.allocate(capacity: room)
        defer { buffer.deallocate() }
        let count = try checked("sock_diag") { rl_sockets(buffer.baseAddress, room) }
        var sockets: [UInt64: rl_socket] = [:]
        sockets.reserveCapacity(count)
        for socket in buffer[..<count] { sockets[socket.inode] = socket }
        return sockets
    }

    var all: Dictionary<UInt64, rl_socket>.Values { sockets.values }

    /// The sockets with these inodes, as far as they are in the table.
    func sockets(_ inodes: some Collection<UInt64>) -> [rl_socket] { inodes.compactMap { sockets[$0] } }
}
