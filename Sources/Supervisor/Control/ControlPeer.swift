// Who is at the other end of a control connection, and whether it may ask anything.
internal import CLinux
internal import Glibc

struct ControlPeer {
    let pid: Int32
    let userID: UInt32
    private let isInGroup: Bool

    /// As it was when it connected (unix(7), SO_PEERCRED).
    ///
    /// - Parameter group: that of --control-group.
    init(of socket: borrowing FileDescriptor, group: UInt32?) throws(SystemError) {
        var peer = rl_peer()
        let number = socket.number
        try checked("getsockopt", "SO_PEERCRED") { rl_peer_credentials(number, &peer) }
        pid = peer.pid
        userID = peer.uid
        isInGroup = group.map { peer.gid == $0 || rl_peer_has_group(number, $0) } ?? false
    }

    /// Root, the daemon's own user, and the control group.
    var isAllowed: Bool { userID == 0 || userID == geteuid() || isInGroup }

    var asker: Asker { Asker(pid: pid, userID: userID) }
}

/// The process that listens, or connected, at the other end of a unix socket, as it was then; nil: the kernel does not
/// say.
public func peerProcess(of socket: Int32) -> Int32? {
    var peer = rl_peer()
    return rl_peer_credentials(socket, &peer) == 0 && peer.pid > 0 ? peer.pid : nil
}
