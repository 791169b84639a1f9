// The inodes of a process' open sockets: proc_pid_fd(5), without a string for each descriptor.
internal import Glibc

enum OpenSockets {
    /// nil: it has more descriptors than `left`, which is what may still be looked at. One that has just ended has none.
    static func inodes(of pid: Int32, atMost left: inout Int) -> [UInt64]? {
        guard let folder = opendir("/proc/\(pid)/fd") else { return [] }
        defer { closedir(folder) }
        let number = dirfd(folder)
        var inodes: [UInt64] = []
        while let entry = readdir(folder) {
            if entry.pointee.d_name.0 == CChar(bitPattern: UInt8(ascii: ".")) { continue }
            if left == 0 { return nil }
            left -= 1
            let inode = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { Self.inode(number, $0) }
            }
            if let inode { inodes.append(inode) }
        }
        return inodes
    }

    /// Of a link to `socket:[12345]`; nil for any other.
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
