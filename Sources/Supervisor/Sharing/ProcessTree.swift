// What /proc says of a worker: its processes, its threads, what its descriptors are. See proc(5).
internal import Glibc

enum ProcessTree {
    /// Bounds what one look costs; of a worker with more processes the rest is not looked at.
    static let processesMax = 1024

    /// `root` and its descendants.
    static func processes(of root: Int32) -> [Int32] {
        var found = [root]
        var next = 0
        while next < found.count && found.count < processesMax {
            found += children(of: found[next])
            next += 1
        }
        return found
    }

    /// All that there are.
    static var all: [Int32] { names(in: "/proc").compactMap { Int32($0) } }

    static func parent(of process: Int32) -> Int32? {
        field("PPid:", in: "/proc/\(process)/status").flatMap { Int32($0) }
    }

    /// It was stopped, by a signal or by a terminal.
    static func isStopped(_ process: Int32) -> Bool { field("State:", in: "/proc/\(process)/status")?.first == "T" }

    /// What it, or any of its threads, has started and what it was handed as a subreaper.
    static func children(of process: Int32) -> [Int32] {
        threads(of: process).flatMap { thread in
            (contents(of: "/proc/\(process)/task/\(thread)/children") ?? "").split(separator: " ").compactMap {
                Int32($0)
            }
        }
    }

    static func threads(of process: Int32) -> [Int32] { names(in: "/proc/\(process)/task").compactMap { Int32($0) } }

    /// The process that a thread belongs to; nil where there is no such thread.
    static func process(ofThread thread: Int32) -> Int32? {
        field("Tgid:", in: "/proc/\(thread)/status").flatMap { Int32($0) }
    }

    /// Whether exec closes the descriptor.
    static func closesOnExec(_ process: Int32, _ descriptor: Int32) -> Bool {
        let flags = field("flags:", in: "/proc/\(process)/fdinfo/\(descriptor)").flatMap { Int32($0, radix: 8) }
        return (flags ?? 0) & O_CLOEXEC != 0
    }

    /// Some process of the tree has set up an io_uring(7), whose bind and listen no filter sees.
    static func usesRing(_ root: Int32) -> Bool {
        processes(of: root).contains { process in
            names(in: "/proc/\(process)/fd").contains { link("/proc/\(process)/fd/\($0)") == "anon_inode:[io_uring]" }
        }
    }

    /// How an epoll(7) of a process watches one of its descriptors.
    struct Polling {
        var epoll: Int32
        var events: UInt32
        var data: UInt64
    }

    /// All that watch the descriptor.
    static func pollings(of process: Int32, _ descriptor: Int32) -> [Polling] {
        names(in: "/proc/\(process)/fd").flatMap { name -> [Polling] in
            guard let epoll = Int32(name), link("/proc/\(process)/fd/\(name)") == "anon_inode:[eventpoll]" else {
                return []
            }
            let lines = (contents(of: "/proc/\(process)/fdinfo/\(name)") ?? "").split(separator: "\n")
            return lines.compactMap { polling($0, epoll, descriptor) }
        }
    }

    /// `tfd:        5 events:       19 data:                5  pos:0 ino:61 sdev:8`, numbers but the first in hexadecimal.
    private static func polling(_ line: Substring, _ epoll: Int32, _ descriptor: Int32) -> Polling? {
        let words = line.split(whereSeparator: { $0 == " " || $0 == ":" })
        guard words.count >= 6, words[0] == "tfd", Int32(words[1]) == descriptor, words[2] == "events",
            let events = UInt32(words[3], radix: 16), words[4] == "data", let data = UInt64(words[5], radix: 16)
        else { return nil }
        return Polling(epoll: epoll, events: events, data: data)
    }

    // MARK: reading

    /// What follows `name` in its line of the file, without the blanks between.
    static func field(_ name: String, in path: String) -> Substring? {
        let line = contents(of: path)?.split(separator: "\n").first { $0.hasPrefix(name) }
        return line.map { $0.dropFirst(name.count).drop { $0 == "\t" || $0 == " " } }
    }

    private static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }  // it has just ended, or /proc is not there
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    private static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = readlink(path, &buffer, buffer.count - 1)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func contents(of path: String) -> String? {
        let bytes: [UInt8]
        do throws(FileReadError) { bytes = try fileContents(path, bytesMax: 1 << 20) } catch { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
