// What a process is and what it costs: proc_pid_stat(5), the one file that has its CPU time, memory and family, and
// proc_pid_smaps(5). Also how to signal a process, and never another one that has its PID by now.
internal import CLinux
internal import Glibc

struct ProcessStatus {
    let parent: Int32
    let session: Int32
    /// When the process was started, in clock ticks since the machine was started. Together with the PID it identifies
    /// the process: PIDs are reused.
    let startTicks: Int
    enum State {
        /// By a signal, or by a debugger.
        case stopped
        /// In the kernel, where only what it waits for, or the end of that, wakes it up.
        case waiting
        case other
    }

    let state: State
    /// The process has ended and is not yet reaped.
    let hasEnded: Bool
    /// The process has executed a program since it was created.
    let hasExecuted: Bool
    let cpuSeconds: Double
    let residentBytes: Int

    private static let ticksPerSecond = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    private static let pageBytes = max(1, sysconf(Int32(_SC_PAGESIZE)))
    /// PF_FORKNOEXEC of the kernel's sched.h.
    private static let hasNotExecutedFlag = 0x40

    /// `startTicks` of a process that is started now.
    static var ticksNow: Int {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)  // cannot fail for this clock and a valid address
        let perSecond = Int(ticksPerSecond)
        return Int(time.tv_sec) * perSecond + Int(time.tv_nsec) / (1_000_000_000 / perSecond)
    }

    /// - Parameter buffer: takes the file's contents, some 300 bytes.
    init?(_ pid: Int32, _ buffer: UnsafeMutableRawBufferPointer) {
        guard let line = ProcFile.read("/proc/\(pid)/stat", into: buffer),
            let start = line.lastIndex(of: UInt8(ascii: ")")), start + 2 < line.count
        else { return nil }
        // The name in parentheses may hold anything; field 3 follows it.
        var fields: [Int] = []
        var value = 0
        for byte in line[(start + 2)...] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value &* 10 &+ Int(byte - UInt8(ascii: "0"))
            case UInt8(ascii: " "):
                fields.append(value)
                value = 0
            default: break
            }
        }
        guard fields.count >= 22 else { return nil }
        hasEnded = [UInt8(ascii: "Z"), UInt8(ascii: "X")].contains(line[start + 2])
        state =
            switch line[start + 2] {
            case UInt8(ascii: "T"), UInt8(ascii: "t"): .stopped
            case UInt8(ascii: "D"): .waiting
            default: .other
            }
        hasExecuted = fields[6] & Self.hasNotExecutedFlag == 0
        parent = Int32(truncatingIfNeeded: fields[1])
        session = Int32(truncatingIfNeeded: fields[3])
        startTicks = fields[19]
        cpuSeconds = Double(fields[11] &+ fields[12]) / Self.ticksPerSecond
        residentBytes = fields[21] &* Self.pageBytes
    }
}

/// Identifies one process, even if another one gets its PID later.
struct ProcessIdentity: Codable, Hashable {
    let pid: Int32
    let startTicks: Int

    init(_ pid: Int32, _ status: ProcessStatus) {
        self.pid = pid
        startTicks = status.startTicks
    }

    /// Sends the signals one after the other. Does nothing if the process has ended.
    ///
    /// - Throws: EMFILE if the daemon is out of descriptors; EPERM if it may not signal the process.
    func send(_ signals: [Int32], _ buffer: UnsafeMutableRawBufferPointer) throws(SystemError) {
        let pid = pid
        do throws(SystemError) {
            let number = try checked("pidfd_open", "pid \(pid)") { rl_pidfd_open(pid) }
            let hold = FileDescriptor(owning: number)
            // While the pidfd is held, the PID can't go to another process.
            guard let status = ProcessStatus(pid, buffer), status.startTicks == startTicks else { return }
            for signal in signals {
                try checked("pidfd_send_signal", "pid \(pid)") { rl_signal(hold.number, signal) }
            }
        } catch {
            if error.errno != ESRCH { throw error }
        }
    }
}

enum ProcessMemory {
    /// The resident bytes of a process, with each shared page divided by the number of its users (PSS): what a process
    /// costs. The kernel walks all pages of the process to compute it. nil if it can't be read: only the process's own
    /// user and root may.
    static func proportionalBytes(of process: Int32) -> UInt64? {
        // Pss:                1180 kB
        let line = ProcFile.field("Pss:", in: "/proc/\(process)/smaps_rollup")
        return line.flatMap { bytes(inKilobytes: $0) }
    }

    /// Parses `1180 kB`. A count of bytes beyond 64 bits is the largest.
    static func bytes(inKilobytes text: Substring) -> UInt64? {
        guard let count = text.split(separator: " ").first.flatMap({ UInt64($0) }) else { return nil }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: 1024)
        return overflow ? .max : bytes
    }
}
