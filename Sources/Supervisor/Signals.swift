// Signals come as records on a descriptor, in the loop's own time, never as handlers.
internal import CLinux
internal import Glibc

/// Blocks the daemon's signals, so that one that comes early waits instead of killing. First thing in main, before
/// anything can have started a thread.
///
/// - Throws: only where the kernel refuses sigprocmask(2) or sigaction(2), which it has no reason to.
public func blockSignals() throws(SystemError) {
    try checked("sigprocmask") { rl_take_signals() }
}

struct SignalReader: ~Copyable {
    let descriptor: FileDescriptor

    init() throws(SystemError) {
        descriptor = FileDescriptor(owning: try checked("signalfd") { rl_signal_descriptor() })
    }

    /// The next signal and who sent it (0: the kernel); nil when there is none.
    func next() throws(SystemError) -> (signal: Int32, sender: Int32)? {
        var record = signalfd_siginfo()
        let number = descriptor.number
        let size = MemoryLayout<signalfd_siginfo>.size
        guard try checkedUnlessWouldBlock("read", "signalfd", { read(number, &record, size) }) != nil else {
            return nil
        }
        return (Int32(record.ssi_signo), Int32(bitPattern: record.ssi_pid))
    }
}
