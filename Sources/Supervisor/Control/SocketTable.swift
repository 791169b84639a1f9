// The machine's TCP and unix sockets by inode (sock_diag(7)), and from them what each worker has.
internal import CLinux
internal import Glibc

struct SocketTable {
    private let sockets: [UInt64: rl_socket]

    /// - Throws: EOVERFLOW where there are more than `ControlLimits.socketsMax`; or the kernel does not tell.
    init() throws(SystemError) {
        do throws(SystemError) {
            // Little room first: a table for all that could be costs more than most machines need.
            sockets = try Self.read(room: 4096)
        } catch  where error.errno == EOVERFLOW {
            sockets = try Self.read(room: ControlLimits.socketsMax)
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
