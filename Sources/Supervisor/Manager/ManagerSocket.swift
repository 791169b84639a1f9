// The socket of the service manager that started the daemon: the client's side of sd_notify(3). Knows datagrams, but
// not what they mean.
internal import CLinux
internal import Glibc
internal import Reloader

struct ManagerSocket: ~Copyable {
    /// Datagrams that wait for room in the manager's socket; beyond them the oldest are dropped. A reload of a pool of
    /// usual size says less than this.
    static let waitingMax = 64

    private let address: String?
    /// nil: no manager listens.
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

    /// For the daemon that comes next: the datagrams that wait.
    var waitingDatagrams: [[UInt8]] { waiting }

    mutating func goOn(with waiting: [[UInt8]]) { self.waiting = Array(waiting.suffix(Self.waitingMax)) }

    /// Sends all assignments in one datagram. If the manager's socket is full, sends them as soon as it has room: a
    /// READY=1 that got lost would get the daemon killed.
    ///
    /// - Throws: if the datagram could not be delivered. The caller logs that and goes on.
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

    /// Sends the datagrams that wait, as far as the manager's socket has room.
    ///
    /// - Throws: if the manager is gone. Nothing waits then.
    mutating func flush() throws(SystemError) {
        do throws(SystemError) {
            while let first = waiting.first, try sendNow(first) { waiting.removeFirst() }
        } catch {
            waiting.removeAll()
            throw error
        }
    }

    /// Returns false if the manager's socket is full.
    private func sendNow(_ message: [UInt8]) throws(SystemError) -> Bool {
        guard let address, let number = channel?.number else { return true }
        let sent = try checkedUnlessWouldBlock("sendto", address) {
            rl_send_datagram(number, address, message, message.count)
        }
        return sent != nil
    }
}
