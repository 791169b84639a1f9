// Connections that the kernel was still setting up when new ones were steered away from a worker. Each belongs to the
// worker's socket already, and the client's third packet, which may take as long as the network does, is answered with
// a reset when that socket is gone by then.
//
// They can be seen (sock_diag(7)), but not to which socket of a port they belong: all that there were at that moment
// are waited for, those of other workers too. What the kernel keeps no trace of (SYN cookies) is not seen.
internal import CLinux
internal import Glibc
internal import Reloader

struct Handshakes {
    /// A client that has not completed its connection by then has lost a packet, or has gone: a lost answer of ours is
    /// sent again after one and after three seconds.
    static let patience = Duration.seconds(4)
    /// A look costs the kernel a walk through its table of connections.
    private static let interval = Duration.milliseconds(50)
    /// More at once are a flood, of which nobody can tell who is waited for.
    private static let peersMax = 4096

    private enum Known {
        case peers(Set<UInt64>)
        case tooMany
    }

    /// By port; none of a port to which there are none.
    private var underWay: [UInt16: Known] = [:]
    private let givenUpAt: Instant
    private var nextLook: Instant

    /// Those under way now.
    init(to ports: Set<UInt16>, at now: Instant) {
        givenUpAt = now + Self.patience
        nextLook = now + Self.interval
        for port in ports { underWay[port] = Self.underWay(to: port) }
    }

    /// Each of them is a connection by now, which is somebody else's to count, or has been given up.
    mutating func areOver(at now: Instant) -> Bool {
        if now >= givenUpAt { underWay.removeAll() }
        guard !underWay.isEmpty, now >= nextLook else { return underWay.isEmpty }
        nextLook = now + Self.interval
        for case (let port, .peers(let before)) in underWay {
            switch Self.underWay(to: port) {
            case .peers(let peers)?:
                let left = before.intersection(peers)
                underWay[port] = left.isEmpty ? nil : .peers(left)
            case .tooMany?: break
            case nil: underWay[port] = nil
            }
        }
        return underWay.isEmpty
    }

    /// nil: there are none; or the kernel does not tell, as in containers that may not ask.
    private static func underWay(to port: UInt16) -> Known? {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: peersMax) { peers in
            let count = rl_handshakes(port, peers.baseAddress, peers.count)
            if count < 0 { return errno == EOVERFLOW ? .tooMany : nil }
            return count == 0 ? nil : .peers(Set(peers[..<count]))
        }
    }
}
