// A process' open sockets: proc_pid_fd(5), without a string for each descriptor.
internal import Glibc

enum OpenSockets {
    typealias Socket = (descriptor: Int32, inode: UInt64)

    /// All of them. One that has just ended has none.
    static func all(of pid: Int32) -> [Socket] {
        var left = Int.max
        return all(of: pid, atMost: &left) ?? []
    }

    /// nil: it has more descriptors than `left`, which is what may still be looked at.
    static func all(of pid: Int32, atMost left: inout Int) -> [Socket]? {
        guard let folder = opendir("/proc/\(pid)/fd") else { return [] }
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
