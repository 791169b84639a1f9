// A process that is not a worker, and how to signal it and no other that has got its number since.
internal import CLinux
internal import Glibc

struct ProcessIdentity: Hashable {
    let pid: Int32
    let startTicks: Int

    init(_ pid: Int32, _ status: ProcessStatus) {
        self.pid = pid
        startTicks = status.startTicks
    }

    /// Sends the signals one after the other; nothing where it has ended.
    ///
    /// - Throws: EMFILE where the daemon is out of descriptors; EPERM where it may not.
    func send(_ signals: [Int32], _ buffer: UnsafeMutableRawBufferPointer) throws(SystemError) {
        let pid = pid
        do throws(SystemError) {
            let number = try checked("pidfd_open", "pid \(pid)") { rl_pidfd_open(pid) }
            let hold = FileDescriptor(owning: number)
            // Held, the number stays whose it is now.
            guard let status = ProcessStatus(pid, buffer), status.startTicks == startTicks else { return }
            for signal in signals {
                try checked("pidfd_send_signal", "pid \(pid)") { rl_signal(hold.number, signal) }
            }
        } catch {
            if error.errno != ESRCH { throw error }
        }
    }
}
