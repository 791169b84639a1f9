// The sockets on which workers are heard, the server's side of sd_notify(3): one for each worker, so that no PID has to
// be matched. Each is a file that the worker's user and root can connect to, and nobody else.
internal import CLinux
internal import Glibc

struct NotifySocket: ~Copyable {
    /// Bytes of one datagram that are looked at; longer ones are cut, as systemd cuts them.
    static let datagramBytesMax = 4096

    let descriptor: FileDescriptor
    /// What NOTIFY_SOCKET says: a path; or `@` and a name, if no directory could be had.
    let address: String
    /// nil: the address is abstract.
    let file: NotifyFile?

    /// - Parameter user: who may send to it beside root; nil: the daemon's own user.
    init(in folder: NotifyFolder, name: String, for user: UserChoice?) throws(SystemError) {
        let descriptor = try Self.open()
        let number = descriptor.number
        let path = "\(folder.path)/\(name)"
        // The file has the mode of the socket from its first moment on.
        try checked("fchmod", path) { fchmod(number, 0o600) }
        try checked("bind", path) { rl_bind_datagram(number, path) }
        self.file = try NotifyFile(name, in: folder, for: user)
        self.address = path
        self.descriptor = descriptor
    }

    /// With an address that any user can send to. It can't be guessed, but is listed in /proc/net/unix.
    init(unprotected: Void) throws(SystemError) {
        let descriptor = try Self.open()
        let number = descriptor.number
        let address = "@reloaderd/\(try Self.randomName())"
        try checked("bind", address) { rl_bind_datagram(number, address) }
        self.file = nil
        self.address = address
        self.descriptor = descriptor
    }

    struct Datagram {
        var bytes: [UInt8]
        /// The user ID of the sending process, as the kernel says; `UInt32.max` where it does not.
        var sender: UInt32
    }

    /// The next datagram; nil when there is none.
    static func receive(_ number: Int32) throws(SystemError) -> Datagram? {
        var bytes = [UInt8](repeating: 0, count: datagramBytesMax)
        var sender: UInt32 = 0
        let count = try checkedUnlessWouldBlock("recvmsg", "a worker's notify socket") {
            rl_receive_datagram(number, &bytes, bytes.count, &sender)
        }
        guard let count else { return nil }
        return Datagram(bytes: Array(bytes[..<count]), sender: sender)
    }

    private static func open() throws(SystemError) -> FileDescriptor {
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = FileDescriptor(owning: try checked("socket", "AF_UNIX") { socket(AF_UNIX, type, 0) })
        let number = descriptor.number
        var one: Int32 = 1
        try checked("setsockopt", "SO_PASSCRED") {
            setsockopt(number, SOL_SOCKET, SO_PASSCRED, &one, socklen_t(MemoryLayout<Int32>.size))
        }
        do throws(SystemError) {
            try checked("setsockopt", "SO_PASSRIGHTS") { rl_refuse_descriptors(number) }
        } catch {
            // Before Linux 6.16. They are dropped when they are received.
            if error.errno != ENOPROTOOPT { throw error }
        }
        return descriptor
    }

    private static func randomName() throws(SystemError) -> String {
        var words: (UInt64, UInt64) = (0, 0)
        try checked("getrandom") { getrandom(&words, 16, 0) }
        return String(words.0, radix: 16) + String(words.1, radix: 16)
    }
}

extension NotifySocket {
    consuming func takeDescriptor() -> FileDescriptor { descriptor }
}

/// The file of one notify socket; removed when nobody holds this any more.
final class NotifyFile {
    private let folder: NotifyFolder
    let name: String

    /// Takes over the file of a socket that was just bound. If it can't be given to `user`, it is removed.
    fileprivate init(_ name: String, in folder: NotifyFolder, for user: UserChoice?) throws(SystemError) {
        self.folder = folder
        self.name = name
        if let user, user.userID != geteuid() { try folder.give(name, to: user) }
    }

    // MARK: for the daemon that comes next

    /// A file, by the number of its directory.
    struct State: Codable {
        let folder: Int
        let name: String
    }

    /// One that is there already.
    init(of name: String, in folder: NotifyFolder) {
        self.folder = folder
        self.name = name
    }

    func isIn(_ folder: NotifyFolder) -> Bool { self.folder === folder }

    deinit { folder.remove(name) }
}
