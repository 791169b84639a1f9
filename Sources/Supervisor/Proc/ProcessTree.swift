// What /proc tells about a worker: its processes, its threads and its descriptors. See proc(5).
internal import CLinux
internal import Glibc

enum ProcessTree {
    /// Bounds the cost of one look. If a worker has more processes, the rest is ignored.
    static let processesMax = 1024

    /// `root` and its descendants, as far as they can be seen.
    static func processes(of root: Int32) -> [Int32] { look(at: root).processes }

    /// `root` and its descendants as far as they can be seen, and whether these are all.
    static func look(at root: Int32) -> (processes: [Int32], isComplete: Bool) {
        var found = [root]
        var next = 0
        while next < found.count && found.count < processesMax {
            do throws(SystemError) { found += try allChildren(of: found[next]) } catch { return (found, false) }
            next += 1
        }
        return (found, found.count < processesMax)
    }

    /// All processes of the machine.
    static var all: [Int32] { ProcFile.names(in: "/proc").compactMap { Int32($0) } }

    static func parent(of process: Int32) -> Int32? {
        ProcFile.field("PPid:", in: "/proc/\(process)/status").flatMap { Int32($0) }
    }

    /// Whether the process was stopped, by a signal or by a terminal.
    static func isStopped(_ process: Int32) -> Bool {
        ProcFile.field("State:", in: "/proc/\(process)/status")?.first == "T"
    }

    /// The processes that it or any of its threads has started, and those that it has as a subreaper.
    static func children(of process: Int32) -> [Int32] { (try? allChildren(of: process)) ?? [] }

    /// As `children`; none of a process that has just ended.
    ///
    /// - Throws: a shortage (`SystemError.isShortage`), which says nothing about the children.
    static func allChildren(of process: Int32) throws(SystemError) -> [Int32] {
        var children: [Int32] = []
        for thread in try ProcFile.entries(of: "/proc/\(process)/task") {
            let path = "/proc/\(process)/task/\(thread)/children"
            if let text = ProcFile.text(path) {
                children += text.split(separator: " ").compactMap { Int32($0) }
            } else if SystemError.isShortage(errno) {
                throw SystemError(call: "open", errno: errno, subject: path)
            }
        }
        return children
    }

    static func threads(of process: Int32) -> [Int32] {
        ProcFile.names(in: "/proc/\(process)/task").compactMap { Int32($0) }
    }

    /// One thread for each descriptor table of the process. Usually that is the first thread alone, because all threads
    /// share its table. But a thread can have a table of its own (unshare(2)), and a first thread that has ended has
    /// none.
    ///
    /// To compare two tables may wait for an exec that does not end.
    ///
    /// - Throws: E2BIG if there are more than `tablesMax`; or a shortage.
    static func tables(of process: Int32) throws(SystemError) -> [Int32] {
        let threads = try ProcFile.entries(of: "/proc/\(process)/task").compactMap { Int32($0) }
        guard threads.count > 1 else { return [process] }
        var tables = [process]
        for thread in threads where thread != process {
            let isKnown = tables.contains { rl_differing_tables($0, thread) <= 0 }
            if !isKnown { tables.append(thread) }
            if tables.count > tablesMax { throw SystemError(call: "kcmp", errno: E2BIG, subject: "\(process)") }
        }
        return tables
    }

    /// Programs that have several tables have two or three.
    private static let tablesMax = 64

    /// The process that a thread belongs to; nil if there is no such thread.
    static func process(ofThread thread: Int32) -> Int32? {
        ProcFile.field("Tgid:", in: "/proc/\(thread)/status").flatMap { Int32($0) }
    }

    /// Whether exec closes the descriptor.
    static func closesOnExec(_ process: Int32, _ descriptor: Int32) -> Bool {
        let flags = ProcFile.field("flags:", in: "/proc/\(process)/fdinfo/\(descriptor)").flatMap {
            Int32($0, radix: 8)
        }
        return (flags ?? 0) & O_CLOEXEC != 0
    }

    /// Whether descriptors that were sent over this unix socket (SCM_RIGHTS) wait to be received; nil: that can't be
    /// seen now.
    static func sendsDescriptors(_ process: Int32, over descriptor: Int32) -> Bool? {
        guard let text = ProcFile.field("scm_fds:", in: "/proc/\(process)/fdinfo/\(descriptor)") else {
            return SystemError.isShortage(errno) ? nil : false
        }
        return (Int(text) ?? 0) > 0
    }

    /// The short name of the process, as the kernel keeps it.
    static func name(of process: Int32) -> Substring? { ProcFile.lines("/proc/\(process)/comm").first }

    /// The command line of a process (proc_pid_cmdline(5)), cut; nil if it is empty or can't be read. It is in the
    /// memory of the process: the look waits as long as that does.
    static func commandLine(of process: Int32) -> String? {
        let line = ProcFile.beginning(of: "/proc/\(process)/cmdline", atMost: commandBytesMax) ?? []
        let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        return words.isEmpty ? nil : words.joined(separator: " ")
    }

    /// The longest part of a command line that is read.
    private static let commandBytesMax = 1024

    /// The environment of the process at its start, unless the program has overwritten it; empty if it can't be read:
    /// only the process's own user and root may. It is in the memory of the process: the look waits as long as that
    /// does.
    static func environment(of process: Int32) -> [ArraySlice<UInt8>] {
        ProcFile.bytes("/proc/\(process)/environ")?.split(separator: 0) ?? []
    }

    /// Whether a process of the tree has set up an io_uring(7): no filter sees a bind or listen that is made through
    /// one.
    static func usesRing(_ root: Int32) -> Bool {
        processes(of: root).contains { process in
            ProcFile.names(in: "/proc/\(process)/fd").contains {
                ProcFile.link("/proc/\(process)/fd/\($0)") == "anon_inode:[io_uring]"
            }
        }
    }

    /// How an epoll(7) of a process watches one of its descriptors.
    struct Polling {
        var epoll: Int32
        var events: UInt32
        var data: UInt64
    }

    /// All epolls of the process that watch the descriptor.
    static func pollings(of process: Int32, _ descriptor: Int32) -> [Polling] {
        ProcFile.names(in: "/proc/\(process)/fd").flatMap { name -> [Polling] in
            guard let epoll = Int32(name), ProcFile.link("/proc/\(process)/fd/\(name)") == "anon_inode:[eventpoll]"
            else {
                return []
            }
            return ProcFile.lines("/proc/\(process)/fdinfo/\(name)").compactMap { polling($0, epoll, descriptor) }
        }
    }

    /// `tfd:        5 events:       19 data:                5  pos:0 ino:61 sdev:8`, where all numbers but the first
    /// are hexadecimal.
    private static func polling(_ line: Substring, _ epoll: Int32, _ descriptor: Int32) -> Polling? {
        let words = line.split(whereSeparator: { $0 == " " || $0 == ":" })
        guard words.count >= 6, words[0] == "tfd", Int32(words[1]) == descriptor, words[2] == "events",
            let events = UInt32(words[3], radix: 16), words[4] == "data", let data = UInt64(words[5], radix: 16)
        else { return nil }
        return Polling(epoll: epoll, events: events, data: data)
    }
}
