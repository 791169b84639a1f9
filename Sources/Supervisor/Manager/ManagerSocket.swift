// The socket of the service manager that started the daemon: sd_notify(3), client side. Knows datagrams, and not what they say.
internal import CLinux
internal import Glibc
internal import Reloader

struct ManagerSocket: ~Copyable {
    /// Datagrams that wait for room in the manager's socket; beyond them the oldest are dropped. A reload of a pool of
    /// usual size says less than this.
    static let waitingMax = 64

    private let address: String?
    /// nil: nobody listens.
    let channel: Channel?
    private var waiting: [[UInt8]] = []

    init(_ environment: Environment) throws(SystemError) {
        address = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        if address == nil {
            channel = nil
        } else {
            let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
            channel = Channel(
                FileDescriptor(owning: try checked("socket", "AF_UNIX") { Glibc.socket(AF_UNIX, type, 0) }))
        }
    }

    var isPresent: Bool { address != nil }

    /// Something could not be sent yet: wait until `channel` is writable, then `flush`.
    var isWaiting: Bool { !waiting.isEmpty }

    /// Sends all assignments in one datagram; if the manager's socket is full, as soon as it has room. To lose a READY=1 would
    /// be to be killed for it.
    ///
    /// - Throws: if it could not be delivered; the caller tells the log, and goes on.
    mutating func send(_ assignments: [String]) throws(SystemError) {
        guard let address, let number = channel?.number else { return }
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
    /// - Throws: if the manager is gone; nothing waits then.
    mutating func flush() throws(SystemError) {
        do throws(SystemError) {
            while let first = waiting.first, try sendNow(first) { waiting.removeFirst() }
        } catch {
            waiting.removeAll()
            throw error
        }
    }

    /// False if the manager's socket is full.
    private func sendNow(_ message: [UInt8]) throws(SystemError) -> Bool {
        guard let address, let number = channel?.number else { return true }
        let sent = try checkedUnlessWouldBlock("sendto", address) {
            rl_send_datagram(number, address, message, message.count)
        }
        return sent != nil
    }
}
