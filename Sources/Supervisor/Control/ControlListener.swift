// The control socket's file and its listening end.
internal import CLinux
internal import Glibc

final class ControlListener {
    /// Clients that wait to be let in: as many as may be in at once.
    private static let backlog = Int32(ControlLimits.clientsMax)

    let channel: Channel
    let path: String
    private let file: SocketFile?

    /// Opens the socket at `path`. It appears there listening and with its permissions, at once: nobody can mistake it
    /// for a stale one, or connect before it is protected.
    ///
    /// - Parameter group: may connect, too.
    init(_ path: String, group: UInt32?) throws(ControlSocketError) {
        self.path = path
        try Self.removeStale(path)
        do throws(SystemError) {
            let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? ""
            let temporary = "\(folder).\(getpid())"
            let socket = try Self.open(temporary, group: group)
            defer { unlink(temporary) }
            // A client must be able to write the path into its sockaddr_un.
            _ = try SocketAddress(unix: path)
            try checked("link", path) { link(temporary, path) }
            channel = Channel(socket)
            file = SocketFile(path)
        } catch {
            throw ControlSocketError(path: path, reason: error.errno == EEXIST ? .isLive : .failed(error))
        }
    }

    /// The next client; nil when there is none.
    func accept() throws(SystemError) -> FileDescriptor? {
        let number = channel.number
        do throws(SystemError) {
            return try checkedUnlessWouldBlock("accept", path) { rl_accept(number) }.map { FileDescriptor(owning: $0) }
        } catch  where error.errno == ECONNABORTED {
            return nil
        }
    }

    func removeFile() throws(SystemError) { try file?.remove() }

    private static func removeStale(_ path: String) throws(ControlSocketError) {
        do throws(ListenError) { try SocketFile.removeStale(path) } catch {
            switch error {
            case .inUse: throw ControlSocketError(path: path, reason: .isLive)
            case .notASocket: throw ControlSocketError(path: path, reason: .isTaken)
            case .failed, .handedOver: throw ControlSocketError(path: path, reason: .failed(error.systemError))
            }
        }
    }

    private static func open(_ path: String, group: UInt32?) throws(SystemError) -> FileDescriptor {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = FileDescriptor(owning: try checked("socket", "AF_UNIX") { Glibc.socket(AF_UNIX, type, 0) })
        let number = socket.number
        let address = try SocketAddress(unix: path)
        unlink(path)  // of a process that had our number and was killed at the wrong moment
        try checked("bind", path) { address.withPointer { bind(number, $0, $1) } }
        do throws(SystemError) {
            try checked("chmod", path) { chmod(path, group == nil ? 0o600 : 0o660) }
            if let group { try checked("chown", path) { chown(path, uid_t.max, group) } }
            try checked("listen", path) { listen(number, backlog) }
        } catch {
            unlink(path)
            throw error
        }
        return socket
    }
}
