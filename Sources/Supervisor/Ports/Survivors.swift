// Processes that outlive their worker, as --keep-children lets them. The filter that reports their calls of bind(2) and
// listen(2) can't be taken from them. As long as one of them lives, its reports are read, and the kernel carries the
// calls out as they stand: what survivors listen on is theirs alone. If nobody read them, the calls would fail with
// ENOSYS.
internal import CLinux
internal import Glibc

struct Survivors {
    /// One for each worker that has left some: a program that leaves a process behind at each reload must not use up
    /// the daemon's descriptors.
    private static let most = 256
    /// And they leave so large a part of the descriptors free.
    private static let reserve = 4

    private var channels: [Channel] = []

    /// For the daemon that comes next.
    func state(_ descriptors: inout RowDescriptors) -> [RowDescriptors.Place] {
        channels.map { descriptors.add($0.number) }
    }

    init() {}

    init(_ state: [RowDescriptors.Place], of key: String, in rows: StateRows) throws(StateError) {
        for place in state { channels.append(Channel(try rows.descriptor(place, of: key))) }
    }

    /// Watches all, after `init` with rows.
    func watch(_ loop: Loop) throws(SystemError) {
        for calls in channels { try loop.watch(calls, .survivor(calls)) }
    }

    /// - Parameter calls: of a worker that has ended, not watched any more.
    mutating func add(_ calls: Channel, _ loop: Loop) throws(SystemError) {
        if rl_calls_are_over(calls.number) { return }
        // The oldest have probably bound what they need.
        while channels.count >= Self.most { try remove(channels[0], loop) }
        guard calls.descriptor.isBelow(FileDescriptor.limit, reserving: Self.reserve) else { return }
        try loop.watch(calls, .survivor(calls))
        channels.append(calls)
    }

    mutating func answerCall(_ calls: Channel, _ loop: Loop) throws(SystemError) {
        if rl_calls_are_over(calls.number) { return try remove(calls, loop) }
        var call = rl_call()
        do throws(SystemError) {
            try checked("ioctl", "SECCOMP_IOCTL_NOTIF_RECV") { rl_next_call(calls.number, &call) }
            try checked("ioctl", "SECCOMP_IOCTL_NOTIF_SEND") { rl_continue_call(calls.number, call.id) }
        } catch {
            if error.errno != ENOENT { throw error }  // the caller is gone
        }
    }

    private mutating func remove(_ calls: Channel, _ loop: Loop) throws(SystemError) {
        channels.removeAll { $0 === calls }
        try loop.unwatch(calls)
    }
}
