// The daemon's own word to whoever started it: sd_notify(3), client side. Silent where nobody listens.
internal import CLinux
internal import Glibc
internal import Reloader

struct ServiceManager: ~Copyable {
    /// Datagrams that wait for room in the manager's socket; beyond them the oldest are dropped. A reload of a pool of
    /// usual size says less than this.
    static let waitingMax = 64

    private let address: String?
    private let socket: FileDescriptor?
    private var waiting: [[UInt8]] = []

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

    /// Something could not be sent yet: wait until `number` is writable, then `flush`.
    var isWaiting: Bool { !waiting.isEmpty }

    /// Sends all assignments in one datagram; where the manager's socket is full, once it has room. To lose a READY=1
    /// would be to be killed for it.
    ///
    /// - Throws: where it could not be delivered; the caller tells the log, and goes on.
    mutating func send(_ assignments: [String]) throws(SystemError) {
        guard let address, let number else { return }
        let message = Array(assignments.joined(separator: "\n").utf8)
        if waiting.isEmpty {
            if try sendNow(message) { return }
            try checked("connect", address) { rl_connect_datagram(number, address) }
        }
        if waiting.count == Self.waitingMax { waiting.removeFirst() }
        waiting.append(message)
    }

    /// Sends what waits, as much as goes.
    ///
    /// - Throws: where the manager is gone; nothing waits then.
    mutating func flush() throws(SystemError) {
        do throws(SystemError) {
            while let first = waiting.first, try sendNow(first) { waiting.removeFirst() }
        } catch {
            waiting.removeAll()
            throw error
        }
    }

    /// False where the manager's socket is full.
    private func sendNow(_ message: [UInt8]) throws(SystemError) -> Bool {
        guard let address, let number else { return true }
        let sent = try checkedUnlessWouldBlock("sendto", address) {
            rl_send_datagram(number, address, message, message.count)
        }
        return sent != nil
    }

    /// The assignments that open a reload: sent together, so that the manager can tell it from an earlier one.
    static func reloading(at now: Instant) -> [String] {
        ["RELOADING=1", "MONOTONIC_USEC=\(now.nanoseconds / 1000)"]
    }

    /// Asks for time to go on with what takes longer than the manager would wait.
    static func extendTimeout(by duration: Duration) -> String {
        "EXTEND_TIMEOUT_USEC=\(max(0, duration.nanoseconds) / 1000)"
    }

    var number: Int32? {
        switch socket {
        case .some(let socket): socket.number
        case .none: nil
        }
    }
}
