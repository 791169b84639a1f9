// What a daemon that has died has left with its keeper: asked for at the start of the next daemon of the same name.
internal import CLinux
internal import Glibc
internal import Reloader

/// What the keeper of a dead daemon hands over.
struct Inheritance {
    /// The one that takes them over owns their descriptors.
    let rows: [StateRow]
    /// The keeper, which goes on for the daemon that takes over.
    let keeper: KeeperConnection
    /// How long there was no daemon.
    let aloneFor: Duration
}

extension Inheritance {
    /// Whether the dead daemon was started with this program, these arguments and this directory.
    func isOf(_ program: Program) -> Bool {
        guard let row = rows.first(where: { $0.key == Releases.key }) else { return false }
        do throws(StateError) {
            let theirs = try StateDecoder.decode(Releases.State.self, from: row.bytes).settings.program
            return theirs.path == program.path && theirs.arguments == program.arguments
                && theirs.workingDirectory == program.workingDirectory
        } catch { return false }
    }

    /// Leaves everything to the keeper.
    func decline() { for number in rows.flatMap({ $0.descriptors }) { close(number) } }

    /// The keeper needs milliseconds to send all. One that is stopped, or that pages are fetched for, may take longer.
    private static let patience: Int32 = 10_000

    /// Asks the keeper whose socket is at `path`. If the workers of the dead daemon are being ended, waits until they
    /// have ended. nil: there is nothing to take over.
    ///
    /// - Throws: why what is there can't be taken over; the keeper goes on to hold it.
    static func ask(at path: String) throws(StateError) -> Inheritance? {
        do throws(SystemError) { _ = try SocketAddress(unixFile: path) } catch { return nil }
        guard let channel = try connect(to: path) else { return nil }
        return try receive(channel)
    }

    /// nil: nobody listens there. The daemon before has ended as it should, or nothing is left of it, or there was
    /// none.
    private static func connect(to path: String) throws(StateError) -> FileDescriptor? {
        do throws(SystemError) {
            let address = try SocketAddress(unixFile: path)
            let type = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
            let channel = FileDescriptor(owning: try checked("socket", "AF_UNIX") { socket(AF_UNIX, type, 0) })
            let number = channel.number
            try checked("connect", path) { address.withPointer { Glibc.connect(number, $0, $1) } }
            var peer = rl_peer()
            try checked("getsockopt", "SO_PEERCRED") { rl_peer_credentials(number, &peer) }
            guard peer.uid == geteuid() else {
                throw SystemError(
                    call: "connect", errno: EPERM, subject: path,
                    explanation: "the keeper there belongs to user \(peer.uid)")
            }
            return channel
        } catch {
            if error.errno == ENOENT || error.errno == ECONNREFUSED { return nil }
            throw StateError(error)
        }
    }

    private static func receive(_ channel: consuming FileDescriptor) throws(StateError) -> Inheritance? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: KeeperLimits.packetBytesMax, alignment: 16)
        defer { buffer.deallocate() }
        var rows: [StateRow] = []
        var assembly = RowAssembly()
        var patience = Self.patience
        var process: (pid: Int32, pidfd: Channel)?
        do throws(StateError) {
            while true {
                try wait(for: channel.number, patience)
                switch try ReceivedPacket.receive(from: channel.number, buffer) {
                case .nothing: continue
                case .end: return drop(rows)
                case .packet(let packet):
                    switch packet.message {
                    case .hello(KeeperLimits.version, let pid): process = (pid, try Self.open(pid))
                    case .hello(let version, _): throw StateError("the keeper speaks version \(version)")
                    case .put(let piece):
                        if let complete = try assembly.add(piece, packet.descriptors) { rows.append(complete.row) }
                    case .all(UInt64(rows.count), let time):
                        guard let process else { throw .malformed("it does not begin with a greeting") }
                        let keeper = KeeperConnection(
                            channel: Channel(channel.moved()), pid: process.pid, process: process.pidfd)
                        return Inheritance(
                            rows: rows, keeper: keeper, aloneFor: .nanoseconds(Int64(clamping: time)))
                    case .all: throw .malformed("rows are missing")
                    // It closes the socket when it is done; it knows how long that may take.
                    case .isEnding: patience = -1
                    case .complaint(let words): throw StateError(words)
                    case .remove, .commit, .terms, .goodbye: throw .malformed("a message that no keeper sends")
                    }
                }
            }
        } catch {
            _ = drop(rows)
            throw error
        }
    }

    private static func open(_ pid: Int32) throws(StateError) -> Channel {
        do throws(SystemError) {
            let number = try checked("pidfd_open", "the keeper") { rl_pidfd_open(pid) }
            return Channel(FileDescriptor(owning: number).moved())
        } catch { throw StateError(error) }
    }

    private static func drop(_ rows: [StateRow]) -> Inheritance? {
        for number in rows.flatMap({ $0.descriptors }) { close(number) }
        return nil
    }

    /// - Parameter milliseconds: -1: for as long as it takes, or until this process is asked to stop.
    private static func wait(for socket: Int32, _ milliseconds: Int32) throws(StateError) {
        do throws(SystemError) {
            var signals = sigset_t()
            sigemptyset(&signals)
            for signal in [SIGTERM, SIGINT, SIGQUIT] { sigaddset(&signals, signal) }
            let stops = FileDescriptor(owning: try checked("signalfd") { signalfd(-1, &signals, Int32(SFD_CLOEXEC)) })
            var requests = [
                pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
                pollfd(fd: stops.number, events: Int16(POLLIN), revents: 0),
            ]
            let ready = try checked("poll") { poll(&requests, 2, milliseconds) }
            if ready == 0 { throw SystemError(call: "poll", errno: ETIMEDOUT, explanation: "the keeper is silent") }
            if requests[0].revents == 0 {
                throw SystemError(
                    call: "poll", errno: EINTR,
                    explanation: "asked to stop, while workers of a dead daemon still ended")
            }
        } catch { throw StateError(error.reason) }
    }
}
