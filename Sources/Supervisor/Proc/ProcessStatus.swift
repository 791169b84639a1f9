// What a process is and what it costs: proc_pid_stat(5), the one file that has its CPU time, memory and family, and
// proc_pid_smaps(5); and how to signal it and no other that has got its number since.
internal import CLinux
internal import Glibc

struct ProcessStatus {
    let parent: Int32
    let session: Int32
    /// Since the machine was started, in clock ticks. With the PID it makes one process: numbers are given out again later.
    let startTicks: Int
    /// It has ended, and is not yet reaped.
    let hasEnded: Bool
    let cpuSeconds: Double
    let residentBytes: Int

    private static let ticksPerSecond = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    private static let pageBytes = max(1, sysconf(Int32(_SC_PAGESIZE)))

    /// - Parameter buffer: for the file's contents, some 300 bytes.
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
        parent = Int32(truncatingIfNeeded: fields[1])
        session = Int32(truncatingIfNeeded: fields[3])
        startTicks = fields[19]
        cpuSeconds = Double(fields[11] &+ fields[12]) / Self.ticksPerSecond
        residentBytes = fields[21] &* Self.pageBytes
    }
}

/// One process, whoever has its number later.
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

enum ProcessMemory {
    /// Resident bytes, each shared page counted in parts (PSS): what a process costs. The kernel walks all of its pages for
    /// it. nil: only the process's own user and root may know.
    static func proportionalBytes(of process: Int32) -> UInt64? {
        // Pss:                1180 kB
        let line = ProcFile.field("Pss:", in: "/proc/\(process)/smaps_rollup")
        return line?.split(separator: " ").first.flatMap { UInt64($0) }.map { $0 * 1024 }
    }
}
