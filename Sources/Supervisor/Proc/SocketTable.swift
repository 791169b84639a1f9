// The machine's TCP and unix sockets by inode (sock_diag(7)), and from them what each worker has.
internal import CLinux
internal import Glibc

struct SocketTable {
    /// TCP sockets of the machine that are looked at, at some 0.5 µs each: the loop has other work to do.
    private static let socketsMax = 65_536

    private let sockets: [UInt64: rl_socket]

    /// - Throws: EOVERFLOW where there are more than `socketsMax`; or the kernel does not tell.
    init() throws(SystemError) {
        do throws(SystemError) {
            // Little room first: a table for all that could be costs more than most machines need.
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

    /// Of the sockets with these inodes.
    func sockets(_ inodes: some Collection<UInt64>) -> [rl_socket] { inodes.compactMap { sockets[$0] } }
}
