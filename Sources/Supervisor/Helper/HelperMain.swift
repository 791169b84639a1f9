// The helper's own process: one request in, its answer out, and nothing between them.
internal import CLinux
internal import Glibc

public enum HelperMain {
    /// The hidden argument by which the daemon executes its own program as its helper.
    static let argument = "--touch"
    /// The helper's end of the channel.
    static let channelNumber: Int32 = 3
    /// The file in which it says whose things it touches.
    static let markNumber: Int32 = 4
    /// As ps(1) shows it: not `reloaderd`, by which daemons are found.
    private static let shortName = "reloaderd-ports"

    /// Runs the helper if that is what this process was started as, until the daemon ends; returns the exit status.
    /// nil: it was started for something else.
    public static func run() -> Int32? {
        guard CommandLine.argc == 2, let word = CommandLine.unsafeArgv[1], String(cString: word) == argument,
            isSequencedSocket(channelNumber)
        else { return nil }
        let channel = HelperChannel(Channel(FileDescriptor(owning: channelNumber)), waits: true)
        let toucher = Toucher(TouchMark(FileDescriptor(owning: markNumber)))
        do throws(SystemError) {
            try checked("seccomp", "the helper") { rl_confine_helper(shortName) }
            while try serve(channel, toucher) {}
            return 0
        } catch {
            // The daemon sees the end, and says so.
            return 1
        }
    }

    /// Nobody types the argument by mistake and has such a descriptor.
    private static func isSequencedSocket(_ number: Int32) -> Bool {
        var type: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == Int32(SOCK_SEQPACKET.rawValue)
    }

    /// Returns false if the daemon is gone.
    private static func serve(_ channel: HelperChannel, _ toucher: Toucher) throws(SystemError) -> Bool {
        let answer: HelperAnswer
        switch try channel.receive() {
        case .packet(let bytes, let descriptors):
            do throws(WireError) {
                let request = try HelperRequest(bytes: bytes)
                answer = toucher.answer(request, descriptors)
            } catch {
                throw SystemError(call: "recvmsg", errno: EBADMSG, subject: "the daemon")
            }
        case .nothing: return true
        case .end: return false
        }
        // The descriptors of the request are closed by now: that may wait as well.
        let changes = toucher.takeChanges()
        for (packet, channels) in HelperPacket.packets(of: answer, changes) { try channel.send(packet.bytes, channels) }
        return true
    }
}

extension HelperPacket {
    /// Half of what fits: the last row may be large.
    private static let fill = bytesMax / 2

    /// The answer after its changes, in packets that are small enough, with the descriptors that belong to each.
    static func packets(
        of answer: HelperAnswer, _ changes: [(change: BookChange, channel: Channel?)]
    ) -> [(HelperPacket, [Channel])] {
        var pieces = pieces(of: changes)
        let last = pieces.popLast() ?? []
        return pieces.map { (.changes($0.map { $0.change }), $0.compactMap { $0.channel }) }
            + [(.answer(answer, last.map { $0.change }), last.compactMap { $0.channel })]
    }

    /// The rows of a book, each with its descriptor, in requests that are small enough.
    static func restoring(_ rows: [(change: BookChange, channel: Channel?)]) -> [(HelperRequest, [Channel])] {
        pieces(of: rows).map { (.restore($0.map { $0.change }), $0.compactMap { $0.channel }) }
    }

    private static func pieces(
        of changes: [(change: BookChange, channel: Channel?)]
    ) -> [[(change: BookChange, channel: Channel?)]] {
        var pieces: [[(change: BookChange, channel: Channel?)]] = []
        var bytes = 0
        for change in changes {
            let size = change.change.bytes.count
            if pieces.isEmpty || bytes + size > fill || (pieces.last?.count ?? 0) >= descriptorsMax {
                pieces.append([])
                bytes = 0
            }
            pieces[pieces.count - 1].append(change)
            bytes += size
        }
        return pieces
    }
}
