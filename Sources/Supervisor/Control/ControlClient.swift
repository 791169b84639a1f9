// One client of the control socket: what it has sent and not been answered, what waits to be sent to it, and what it
// waits for itself. Knows bytes and lines, and no verbs.
internal import CLinux
internal import Glibc
internal import Reloader

final class ControlClient {
    /// What a request has left to be done: until it is, no further request is read.
    enum Task: Equatable {
        case none
        /// It waits for the begin of the rollback that it has asked for.
        case rollback
        /// It waits for the end of a roll.
        case roll(generation: Int)
        /// It waits for the end of a slot's restart.
        case restart(slot: Int)
        /// It waits for the end of the daemon.
        case end
        case events
        case logs(slot: Int?)
    }

    /// Under which the server knows it.
    let number: Int
    let channel: Channel
    let peer: ControlPeer
    var task = Task.none
    /// Nothing more is read or said; it goes when all is sent.
    private(set) var isEnding = false
    /// What it is registered for.
    var interest = Poller.Interest.readable
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    /// The first line of `output` has been sent in part.
    private var isMidLine = false

    init(_ number: Int, _ descriptor: consuming FileDescriptor, _ peer: ControlPeer) {
        self.number = number
        channel = Channel(descriptor)
        self.peer = peer
    }

    var waitingBytes: Int { output.count }

    // MARK: requests

    /// It is its turn to ask something.
    var isIdle: Bool { task == .none && output.isEmpty && !isEnding }

    var hasRequest: Bool { input.contains(UInt8(ascii: "\n")) || isTooLong }

    private var isTooLong: Bool { input.count > ControlLimits.requestBytesMax }

    func receive(_ bytes: UnsafeRawBufferPointer) { input.append(contentsOf: bytes) }

    /// The next whole request; nil when there is none yet.
    func nextRequest() throws(ControlError) -> ArraySlice<UInt8>? {
        let end = input.firstIndex(of: UInt8(ascii: "\n"))
        if (end ?? input.count) > ControlLimits.requestBytesMax {
            throw ControlError(.tooLong, "a request has at most \(ControlLimits.requestBytesMax) bytes")
        }
        guard let end else { return nil }
        let request = input[..<end]
        input = Array(input[(end + 1)...])
        return request
    }

    // MARK: answers

    func send(_ line: [UInt8]) {
        if isEnding { return }
        output += line
        output.append(UInt8(ascii: "\n"))
    }

    /// The last word.
    func end(with error: ControlError) {
        send(error.json.line)
        input = []
        task = .none
        isEnding = true
    }

    /// It reads too slowly for what it follows: what it has not read is thrown away.
    func lag() {
        let end = isMidLine ? output.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? output.count : 0
        output.removeSubrange(end...)
        self.end(with: ControlError(.lagged, "this client reads too slowly for what it follows: some of it is lost"))
    }

    /// Sends what goes now.
    ///
    /// - Throws: where the client is gone.
    func flush() throws(SystemError) {
        let number = channel.number
        var sent = 0
        while sent < output.count {
            let rest = output[sent...]
            let count = try checkedUnlessWouldBlock("send", "a control client") {
                rest.withUnsafeBytes {
                    Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
                }
            }
            guard let count else { break }
            sent += count
        }
        if sent == 0 { return }
        isMidLine = output[sent - 1] != UInt8(ascii: "\n")
        if sent == output.count {
            // What one large answer took is not kept for the small ones to come.
            output.removeAll(keepingCapacity: output.capacity <= 4096)
        } else {
            output.removeFirst(sent)
        }
    }

    /// All is sent and nothing more is to come.
    var isDone: Bool { isEnding && output.isEmpty }

    /// What to wait for. Nothing: that it hangs up, which is always told.
    var wantedInterest: Poller.Interest {
        if !output.isEmpty { return .writable }
        // A request that has come with the last one has its turn when the others have had theirs.
        if isIdle { return hasRequest ? .writable : .readable }
        return []
    }
}

/// Who is at the other end of a control connection, and whether it may ask anything.
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
