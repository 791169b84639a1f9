// What a process costs in memory: proc_pid_smaps(5).
internal import Glibc

enum ProcessMemory {
    /// Resident bytes, each shared page counted in parts (PSS): what a process costs. The kernel walks all of its pages
    /// for it. nil: only the process's own user and root may know.
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
