// What /proc says of a worker: its processes, its threads, what its descriptors are. See proc(5).
internal import CLinux
internal import Glibc

enum ProcessTree {
    /// Bounds what one look costs; of a worker with more processes the rest is not looked at.
    static let processesMax = 1024

    /// `root` and its descendants, as far as they can be seen.
    static func processes(of root: Int32) -> [Int32] { look(at: root).processes }

    /// As above, and whether these are all.
    static func look(at root: Int32) -> (processes: [Int32], isComplete: Bool) {
        var found = [root]
        var next = 0
        while next < found.count && found.count < processesMax {
            do throws(SystemError) { found += try allChildren(of: found[next]) } catch { return (found, false) }
            next += 1
        }
        return (found, found.count < processesMax)
    }

    /// All that there are.
    static var all: [Int32] { ProcFile.names(in: "/proc").compactMap { Int32($0) } }

    static func parent(of process: Int32) -> Int32? {
        ProcFile.field("PPid:", in: "/proc/\(process)/status").flatMap { Int32($0) }
    }

    /// It was stopped, by a signal or by a terminal.
    static func isStopped(_ process: Int32) -> Bool {
        ProcFile.field("State:", in: "/proc/\(process)/status")?.first == "T"
    }

    /// What it, or any of its threads, has started and what it was handed as a subreaper.
    static func children(of process: Int32) -> [Int32] { (try? allChildren(of: process)) ?? [] }

    /// As above. One that has just ended has none.
    ///
    /// - Throws: if they can't be looked at now.
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

    /// A thread for each descriptor table of the process: as a rule its first thread, for all share that one's. A thread
    /// can have a table of its own (unshare(2)), and a first thread that has ended has none.
    ///
    /// - Throws: if they can't be looked at now, or are more than `tablesMax` (E2BIG).
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

    /// Programs that keep tables apart have two or three of them.
    private static let tablesMax = 64

    /// The process that a thread belongs to; nil where there is no such thread.
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

    /// Descriptors that were sent over this unix socket (SCM_RIGHTS) wait to be received; nil: that can't be seen now.
    static func sendsDescriptors(_ process: Int32, over descriptor: Int32) -> Bool? {
        guard let text = ProcFile.field("scm_fds:", in: "/proc/\(process)/fdinfo/\(descriptor)") else {
            return SystemError.isShortage(errno) ? nil : false
        }
        return (Int(text) ?? 0) > 0
    }

    /// Its short name, as the kernel keeps it.
    static func name(of process: Int32) -> Substring? { ProcFile.lines("/proc/\(process)/comm").first }

    /// Its environment as it was at its start, unless the program has written over it; none that only its own user and root
    /// may read.
    static func environment(of process: Int32) -> [ArraySlice<UInt8>] {
        ProcFile.bytes("/proc/\(process)/environ")?.split(separator: 0) ?? []
    }

    /// Some process of the tree has set up an io_uring(7), whose bind and listen no filter sees.
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

    /// All that watch the descriptor.
    static func pollings(of process: Int32, _ descriptor: Int32) -> [Polling] {
        ProcFile.names(in: "/proc/\(process)/fd").flatMap { name -> [Polling] in
            guard let epoll = Int32(name), ProcFile.link("/proc/\(process)/fd/\(name)") == "anon_inode:[eventpoll]"
            else {
                return []
            }
            return ProcFile.lines("/proc/\(process)/fdinfo/\(name)").compactMap { polling($0, epoll, descriptor) }
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
}
