// The control socket's file and its listening socket.
internal import CLinux
internal import Glibc

final class ControlListener {
    /// Clients that may wait to be accepted: as many as may be connected at once.
    private static let backlog = Int32(ControlLimits.clientsMax)

    let channel: Channel
    let path: String
    private let file: SocketFile

    /// Opens the socket at the place that `paths` names; nil: the daemon has none.
    ///
    /// - Parameter name: the daemon's name. It is changed if another daemon uses it and the user has not chosen it.
    static func open(
        _ paths: ControlPaths, group: UInt32?, _ name: inout String
    ) throws(ControlSocketError) -> ControlListener? {
        switch paths.socket {
        case nil: nil
        case .path(let path)?: try ControlListener(path, group: group)
        case .folder(let folder, let mode)?:
            try open(in: folder, mode, group: group, isChosen: paths.isChosen, &name)
        case .fallback?:
            try open(in: FallbackDirectory.path, 0o700, group: group, isChosen: paths.isChosen, &name)
        }
    }

    private static func open(
        in folder: String, _ mode: mode_t, group: UInt32?, isChosen: Bool, _ name: inout String
    ) throws(ControlSocketError) -> ControlListener {
        do throws(SystemError) { try makeFolder(folder, mode: mode) } catch {
            throw ControlSocketError(path: ControlSocket(of: name, in: folder).path, reason: .failed(error))
        }
        if folder == FallbackDirectory.path, let problem = FallbackDirectory.problem() {
            throw ControlSocketError(path: ControlSocket(of: name, in: folder).path, reason: .isNotOurs(problem))
        }
        do throws(ControlSocketError) {
            return try ControlListener(ControlSocket(of: name, in: folder).path, group: group)
        } catch {
            guard error.reason == .isLive, !isChosen else { throw error }
            name = "\(name)-\(getpid())"
            return try ControlListener(ControlSocket(of: name, in: folder).path, group: group)
        }
    }

    /// Opens the socket at `path`. The file appears there in one step, already listening and with its permissions: no
    /// process can mistake it for a stale one, or connect before it is protected.
    ///
    /// - Parameter group: the group that may connect, too.
    init(_ path: String, group: UInt32?) throws(ControlSocketError) {
        self.path = path
        file = try Self.makeRoom(at: path)
        do throws(SystemError) {
            // A client must be able to write the path into its sockaddr_un.
            _ = try SocketAddress(unix: path)
            let workshop = try SocketWorkshop(beside: path)
            defer { workshop.remove() }
            let socket = try workshop.open(SOCK_STREAM, group: group, backlog: Self.backlog)
            try workshop.link(to: path)
            channel = Channel(socket)
            file.claim()
        } catch {
            throw ControlSocketError(path: path, reason: error.errno == EEXIST ? .isLive : .failed(error))
        }
    }

    struct State: Codable {
        let path: String
        let file: SocketFile.State
        let channel: RowDescriptors.Place
    }

    /// For the daemon that comes next.
    func state(_ descriptors: inout RowDescriptors) -> State {
        State(path: path, file: file.state(&descriptors), channel: descriptors.add(channel.number))
    }

    init(_ state: State, of key: String, in rows: StateRows) throws(StateError) {
        path = state.path
        file = try SocketFile(state.file, of: key, in: rows)
        channel = Channel(try rows.descriptor(state.channel, of: key))
    }

    /// Accepts the next client; nil if there is none.
    func accept() throws(SystemError) -> FileDescriptor? {
        let number = channel.number
        do throws(SystemError) {
            return try checkedUnlessWouldBlock("accept", path) { rl_accept(number) }.map { FileDescriptor(owning: $0) }
        } catch  where error.errno == ECONNABORTED {
            return nil
        }
    }

    func removeFile() throws(SystemError) { try file.remove() }

    private static func makeRoom(at path: String) throws(ControlSocketError) -> SocketFile {
        do throws(ListenError) { return try SocketFile(at: path) } catch {
            switch error {
            case .inUse: throw ControlSocketError(path: path, reason: .isLive)
            case .notASocket: throw ControlSocketError(path: path, reason: .isTaken)
            case .failed, .handedOver: throw ControlSocketError(path: path, reason: .failed(error.systemError))
            }
        }
    }
}

/// Why the daemon has no control socket.
public struct ControlSocketError: Error, Equatable, Sendable, CustomStringConvertible {
    enum Reason: Equatable {
        /// A daemon listens there.
        case isLive
        /// The file there is not a socket.
        case isTaken
        /// The folder that stands in for a runtime directory cannot be trusted.
        case isNotOurs(String)
        case failed(SystemError)
    }

    var path: String
    var reason: Reason

    public var description: String {
        switch reason {
        case .isLive:
            "cannot open the control socket \(printable(path)): another reloaderd listens there (stop it, or choose "
                + "another --name or --control)"
        case .isTaken:
            "cannot open the control socket \(printable(path)): the file there is not a socket (move it away, or "
                + "choose another path with --control)"
        case .isNotOurs(let problem):
            "cannot open the control socket \(printable(path)): its directory is not safe: \(problem) (remove it, set "
                + "XDG_RUNTIME_DIR, or choose a path with --control)"
        case .failed(let error):
            "cannot open the control socket \(printable(path)): \(error.call): \(error.reason) (choose another path "
                + "with --control, or turn it off with --control none)"
        }
    }
}
