// The daemon's own word to whoever started it: sd_notify(3), client side. Silent where nobody listens.
internal import CLinux
internal import Glibc
internal import Reloader

struct ServiceManager: ~Copyable {
    private let address: String?
    private let socket: FileDescriptor?

    init(_ environment: Environment) throws(SystemError) {
        address = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        if address == nil {
            socket = nil
        } else {
            let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
            socket = FileDescriptor(owning: try checked("socket", "AF_UNIX") { Glibc.socket(AF_UNIX, type, 0) })
        }
    }

    var isPresent: Bool { address != nil }

    /// Sends all assignments in one datagram.
    ///
    /// - Throws: where it could not be delivered; the caller tells the log, and goes on.
    func send(_ assignments: [String]) throws(SystemError) {
        guard let address else { return }
        let message = Array(assignments.joined(separator: "\n").utf8)
        guard let number = number else { return }
        try checked("sendto", address) { rl_send_datagram(number, address, message, message.count) }
    }

    /// The assignments that open a reload: sent together, so that the manager can tell it from an earlier one.
    static func reloading(at now: Instant) -> [String] {
        ["RELOADING=1", "MONOTONIC_USEC=\(now.nanoseconds / 1000)"]
    }

    /// Asks for time to go on with what takes longer than the manager would wait.
    static func extendTimeout(by duration: Duration) -> String {
        "EXTEND_TIMEOUT_USEC=\(max(0, duration.nanoseconds) / 1000)"
    }

    private var number: Int32? {
        switch socket {
        case .some(let socket): socket.number
        case .none: nil
        }
    }
}
