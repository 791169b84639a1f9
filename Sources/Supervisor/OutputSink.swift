// The daemon's standard error: its own log and what workers write. A reader that is slow or stopped must never stop the
// daemon, so nothing here blocks: what can't be written now waits, bounded, and beyond the bound whole lines are dropped and
// counted. While something waits, the output of workers is not read (they slow down, and nothing of theirs is lost); only the
// last words of one that is gone come all the same.
internal import CLinux
internal import Glibc

struct OutputSink: ~Copyable {
    /// Lines may wait up to here, then they are dropped: some thousand lines.
    static let waitingBytesMax = 256 * 1024
    /// At the daemon's end, how long its reader may take to read on.
    private static let patienceMilliseconds: Int32 = 1000

    private enum Kind {
        /// Never blocks for long, and can't be waited for: a regular file, or a device that is none.
        case file
        /// Our own non-blocking description of the same pipe or terminal.
        case nonBlocking
        /// A socket: MSG_DONTWAIT does the same without a second description.
        case socket
        /// A pipe or terminal that could not be opened anew: written only after poll(2) says so, in pieces it takes whole.
        case guarded
    }

    private struct Target: ~Copyable {
        let kind: Kind
        let descriptor: FileDescriptor
    }

    private var target: Target
    private var waiting: [UInt8] = []
    private var droppedLines = 0
    /// What was taken last ended its line.
    private var isAtLineStart = true

    /// Writes to what descriptor 2 is now.
    init() throws(SystemError) {
        target = try Self.open()
    }

    /// What to wait on while `isWaiting`.
    var number: Int32 { target.descriptor.number }

    /// Something could not be written yet: wait until `descriptor` is writable, then `flush`.
    var isWaiting: Bool { !waiting.isEmpty }

    /// Takes a whole log line, on a line of its own.
    mutating func writeLine(_ line: [UInt8]) {
        let whole = isAtLineStart ? line : [UInt8(ascii: "\n")] + line
        whole.withUnsafeBytes { relay($0) }
    }

    /// Takes all bytes while nothing waits; else as much as may wait, and drops and counts the lines of what comes then.
    mutating func relay(_ bytes: UnsafeRawBufferPointer) {
        if !waiting.isEmpty, waiting.count + bytes.count > Self.waitingBytesMax {
            droppedLines += max(1, bytes.count { $0 == UInt8(ascii: "\n") })
            return
        }
        isAtLineStart = bytes.last.map { $0 == UInt8(ascii: "\n") } ?? isAtLineStart
        if waiting.isEmpty {
            let written = writeNow(bytes)
            waiting.append(contentsOf: bytes[written...])
        } else {
            waiting.append(contentsOf: bytes)
        }
    }

    /// Writes what waits, as much as goes.
    mutating func flush() {
        let written = waiting.withUnsafeBytes { writeNow($0) }
        waiting.removeFirst(written)
    }

    /// Blocks, as long as what waits is being read.
    mutating func drain() {
        while isWaiting {
            var request = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
            if poll(&request, 1, Self.patienceMilliseconds) <= 0 { return }
            flush()
        }
    }

    /// Returns how many lines were dropped since the last call.
    mutating func takeDroppedLines() -> Int {
        defer { droppedLines = 0 }
        return droppedLines
    }

    /// Looks at descriptor 2 anew, after it was replaced (log rotation).
    mutating func reopen() throws(SystemError) {
        target = try Self.open()
    }

    /// Returns how many bytes are done with: written, or lost because nobody can read them any more.
    private func writeNow(_ bytes: UnsafeRawBufferPointer) -> Int {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            do {
                guard let count = try writeOnce(rest) else { return done }
                done += count
            } catch {
                // EPIPE, EIO, ENOSPC: there is nobody left to tell, and the pool matters more than its log.
                return bytes.count
            }
        }
        return done
    }

    private func writeOnce(_ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int? {
        let number = target.descriptor.number
        switch target.kind {
        case .file, .nonBlocking:
            return try checkedUnlessWouldBlock("write", "standard error") {
                write(number, bytes.baseAddress, bytes.count)
            }
        case .socket:
            return try checkedUnlessWouldBlock("send", "standard error") {
                send(number, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
            }
        case .guarded:
            var request = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
            if try checked("poll", "standard error", { poll(&request, 1, 0) }) == 0 { return nil }
            return try checked("write", "standard error") { write(number, bytes.baseAddress, min(bytes.count, 4096)) }
        }
    }

    private static func open() throws(SystemError) -> Target {
        var status = stat()
        try checked("fstat", "standard error") { fstat(2, &status) }
        switch status.st_mode & S_IFMT {
        case S_IFSOCK:
            return Target(kind: .socket, descriptor: try duplicateOfStandardError())
        case S_IFIFO, S_IFCHR:
            let number = Glibc.open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
            if number >= 0 { return Target(kind: .nonBlocking, descriptor: FileDescriptor(owning: number)) }
            return Target(kind: .guarded, descriptor: try duplicateOfStandardError())
        default:
            return Target(kind: .file, descriptor: try duplicateOfStandardError())
        }
    }

    private static func duplicateOfStandardError() throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: try checked("fcntl", "standard error") { fcntl(2, F_DUPFD_CLOEXEC, 3) })
    }
}
