// One end of the SOCK_SEQPACKET pair between the daemon and its helper.
internal import CLinux
internal import Glibc

final class HelperChannel {
    enum Received {
        case packet(ArraySlice<UInt8>, [Channel])
        case nothing
        /// The other end is gone.
        case end
    }

    let channel: Channel
    /// The daemon must never wait.
    private let waits: Bool
    private var buffer = [UInt8](repeating: 0, count: HelperPacket.bytesMax)

    init(_ channel: Channel, waits: Bool) {
        self.channel = channel
        self.waits = waits
    }

    /// Both ends, close-on-exec.
    static func pair() throws(SystemError) -> (Channel, HandedDescriptor) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
        try checked("socketpair", "AF_UNIX") { socketpair(AF_UNIX, type, 0, &ends) }
        return (Channel(FileDescriptor(owning: ends[0])), HandedDescriptor(FileDescriptor(owning: ends[1])))
    }

    func send(_ bytes: [UInt8], _ descriptors: [Channel] = []) throws(SystemError) {
        guard bytes.count <= HelperPacket.bytesMax else {
            throw SystemError(call: "sendmsg", errno: EMSGSIZE, subject: "the helper")
        }
        let numbers = descriptors.map { $0.number }
        try checked("sendmsg", "the helper") {
            rl_send_packet(channel.number, bytes, bytes.count, numbers, numbers.count, waits)
        }
        withExtendedLifetime(descriptors) {}
    }

    func receive() throws(SystemError) -> Received {
        var numbers = [Int32](repeating: -1, count: Int(rl_packet_descriptors_max))
        var count = 0
        let size: Int?
        do throws(SystemError) {
            size = try checkedUnlessWouldBlock("recvmsg", "the helper") {
                rl_receive_packet(channel.number, &buffer, buffer.count, &numbers, &count, waits)
            }
        } catch  where error.errno == ECONNRESET {
            return .end
        }
        guard let size else { return .nothing }
        let descriptors = numbers[..<count].map { Channel(FileDescriptor(owning: $0)) }
        return size == 0 ? .end : .packet(buffer[..<size], descriptors)
    }
}
