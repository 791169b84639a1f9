// proc_pid_stat(5): the one file that has CPU time, memory and family of a process.
internal import Glibc

struct ProcessStatus {
    let parent: Int32
    let session: Int32
    /// Since the machine was started, in clock ticks. With the PID it makes one process: numbers are given out again
    /// later.
    let startTicks: Int
    /// It has ended, and is not yet reaped.
    let hasEnded: Bool
    let cpuSeconds: Double
    let residentBytes: Int

    private static let ticksPerSecond = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    private static let pageBytes = max(1, sysconf(Int32(_SC_PAGESIZE)))

    /// - Parameter buffer: for the file's contents, some 300 bytes.
    init?(_ pid: Int32, _ buffer: UnsafeMutableRawBufferPointer) {
        let number = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
        if number < 0 { return nil }  // it has just ended, or /proc is not there
        let file = FileDescriptor(owning: number)
        let count = read(file.number, buffer.baseAddress, buffer.count)
        guard count > 0, let start = buffer[..<count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
        // The name in parentheses may hold anything; field 3 follows it.
        var fields: [Int] = []
        var value = 0
        for byte in buffer[(start + 2)..<count] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value &* 10 &+ Int(byte - UInt8(ascii: "0"))
            case UInt8(ascii: " "):
                fields.append(value)
                value = 0
            default: break
            }
        }
        guard fields.count >= 22 else { return nil }
        hasEnded = [UInt8(ascii: "Z"), UInt8(ascii: "X")].contains(buffer[start + 2])
        parent = Int32(truncatingIfNeeded: fields[1])
        session = Int32(truncatingIfNeeded: fields[3])
        startTicks = fields[19]
        cpuSeconds = Double(fields[11] &+ fields[12]) / Self.ticksPerSecond
        residentBytes = fields[21] &* Self.pageBytes
    }
}
