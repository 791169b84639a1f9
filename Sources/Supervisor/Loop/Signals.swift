// Signals arrive as records on a descriptor and are read by the loop; there are no signal handlers.
internal import CLinux
internal import Glibc

/// Blocks the daemon's signals, so that a signal that comes early waits instead of killing the daemon. Call it first in
/// main, before anything can have started a thread.
///
/// - Throws: only if the kernel refuses sigprocmask(2) or sigaction(2), which it has no reason to do.
public func blockSignals() throws(SystemError) {
    try checked("sigprocmask") { rl_take_signals() }
}

struct SignalReader: ~Copyable {
    struct Signal {
        let number: Int32
        let origin: Origin
        let userID: UInt32
    }

    enum Origin: Equatable {
        /// A process of this PID namespace, or of one below it.
        case process(Int32)
        /// A process that has no PID in this PID namespace, such as one outside the container.
        case outside
        /// The kernel itself (SI_KERNEL): a terminal was resized or closed, or a key was pressed there.
        case kernel

        init(_ record: signalfd_siginfo) {
            if record.ssi_code == Self.kernelCode {
                self = .kernel
            } else {
                self = record.ssi_pid == 0 ? .outside : .process(Int32(bitPattern: record.ssi_pid))
            }
        }

        /// SI_KERNEL; see sigaction(2).
        private static let kernelCode: Int32 = 0x80
    }

    let channel: Channel

    init() throws(SystemError) {
        channel = Channel(FileDescriptor(owning: try checked("signalfd") { rl_signal_descriptor() }))
    }

    /// The next signal; nil if there is none.
    func next() throws(SystemError) -> Signal? {
        var record = signalfd_siginfo()
        let number = channel.number
        let size = MemoryLayout<signalfd_siginfo>.size
        guard try checkedUnlessWouldBlock("read", "signalfd", { read(number, &record, size) }) != nil else {
            return nil
        }
        return Signal(number: Int32(record.ssi_signo), origin: Origin(record), userID: record.ssi_uid)
    }
}
