// One client of the control socket: its requests that are not answered yet, the lines that wait to be sent to it, and
// what the client itself waits for. Knows bytes and lines, but no verbs.
internal import CLinux
internal import Glibc
internal import Reloader

final class ControlClient {
    /// What remains to be done for a request. Until it is done, no further request is read.
    enum Task: Codable, Equatable {
        case none
        /// The client waits for the rollback that it asked for to begin.
        case rollback
        /// The client waits for the end of a roll.
        case roll(generation: Int)
        /// The client waits for the end of a slot's restart.
        case restart(slot: Int)
        /// The client waits for the end of the daemon.
        case end
        /// The client follows the log.
        case events
        /// The client follows the lines of one slot's workers; nil: of all workers.
        case logs(slot: Int?)
        /// The client waits for the daemon that takes the place of this one.
        case upgrade
    }

    /// The client's number in the server's books.
    let number: Int
    let channel: Channel
    let peer: ControlPeer
    var task = Task.none
    /// Nothing more is read from or added for the client, which is dismissed when all is sent.
    private(set) var isEnding = false
    /// What the loop watches the client for.
    var interest = Poller.Interest.readable
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    /// Part of the first line of `output` has been sent.
    private var isMidLine = false

    init(_ number: Int, _ descriptor: consuming FileDescriptor, _ peer: ControlPeer) {
        self.number = number
        channel = Channel(descriptor)
        self.peer = peer
    }

    var waitingBytes: Int { output.count }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let number: Int
        let channel: RowDescriptors.Place
        let peer: ControlPeer
        let task: Task
        let isEnding: Bool
        let input: [UInt8]
        let output: [UInt8]
        let isMidLine: Bool
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        State(
            number: number, channel: descriptors.add(channel.number), peer: peer, task: task, isEnding: isEnding,
            input: input, output: output, isMidLine: isMidLine)
    }

    init(_ state: State, of key: String, in rows: StateRows) throws(StateError) {
        number = state.number
        channel = Channel(try rows.descriptor(state.channel, of: key))
        peer = state.peer
        task = state.task
        isEnding = state.isEnding
        input = state.input
        output = state.output
        isMidLine = state.isMidLine
    }

    // MARK: requests

    /// The client may ask something.
    var isIdle: Bool { task == .none && output.isEmpty && !isEnding }

    var hasRequest: Bool { input.contains(UInt8(ascii: "\n")) || isTooLong }

    private var isTooLong: Bool { input.count > ControlLimits.requestBytesMax }

    func receive(_ bytes: UnsafeRawBufferPointer) { input.append(contentsOf: bytes) }

    /// Takes the next whole request; nil if there is none yet.
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

    /// Sends the error as the last line.
    func end(with error: ControlError) {
        send(error.json.line)
        input = []
        task = .none
        isEnding = true
    }

    /// Drops a client that reads too slowly for what it follows. Lines that it has not begun to read are thrown away.
    func lag() {
        let end = isMidLine ? output.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? output.count : 0
        output.removeSubrange(end...)
        self.end(with: ControlError(.lagged, "this client reads too slowly: some of what it follows was lost"))
    }

    /// Sends as much as the socket takes now.
    ///
    /// - Throws: if the client is gone.
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
            // The memory of one large answer is not kept for the small ones to come.
            output.removeAll(keepingCapacity: output.capacity <= 4096)
        } else {
            output.removeFirst(sent)
        }
    }

    /// All is sent, and nothing more will come.
    var isDone: Bool { isEnding && output.isEmpty }

    /// What to watch the client for. Empty: only for its hang-up, which the loop always reports.
    var wantedInterest: Poller.Interest {
        if !output.isEmpty { return .writable }
        // A request that came together with the last one is served after the other clients had their turn.
        if isIdle { return hasRequest ? .writable : .readable }
        return []
    }
}

/// The process at the other end of a control connection, and whether it may ask anything.
struct ControlPeer: Codable {
    let pid: Int32
    let userID: UInt32
    private let isInGroup: Bool

    /// The peer as it was when it connected (unix(7), SO_PEERCRED).
    ///
    /// - Parameter group: the group of --control-group.
    init(of socket: borrowing FileDescriptor, group: UInt32?) throws(SystemError) {
        var peer = rl_peer()
        let number = socket.number
        try checked("getsockopt", "SO_PEERCRED") { rl_peer_credentials(number, &peer) }
        pid = peer.pid
        userID = peer.uid
        isInGroup = group.map { peer.gid == $0 || rl_peer_has_group(number, $0) } ?? false
    }

    /// True for root, the daemon's own user, and members of the control group.
    var isAllowed: Bool { isOwner || isInGroup }

    /// True for root and the daemon's own user.
    var isOwner: Bool { userID == 0 || userID == geteuid() }

    var asker: Asker { Asker(pid: pid, userID: userID) }
}
