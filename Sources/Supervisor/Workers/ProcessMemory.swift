// How much memory processes take: proc_pid_statm(5) and proc_pid_smaps(5). What can't be read counts for nothing: the process
// has just ended, or there is no /proc.
internal import Glibc

enum ProcessMemory {
    /// Resident bytes, shared pages counted in full: cheap, and never less than the proportional ones.
    static func residentBytes(of process: Int32) -> UInt64 {
        let pages = contents(of: "/proc/\(process)/statm").split(separator: " ").dropFirst().first.flatMap {
            UInt64($0)
        }
        return (pages ?? 0) * UInt64(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Resident bytes, each shared page counted in parts (PSS): what a process costs. The kernel walks all of its pages for
    /// it. nil: only the process's own user and root may know.
    static func proportionalBytes(of process: Int32) -> UInt64? {
        // Pss:                1180 kB
        let line = contents(of: "/proc/\(process)/smaps_rollup").split(separator: "\n").first { $0.hasPrefix("Pss:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }.map { $0 * 1024 }
    }

    private static func contents(of path: String) -> String {
        let bytes: [UInt8]
        do throws(FileReadError) { bytes = try fileContents(path, bytesMax: 1 << 16) } catch { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }
}
