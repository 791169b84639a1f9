// One place that the daemon writes to: its standard error (the log, and what workers write), its standard output, or a
// file. A reader that is slow or stopped must never stop the daemon, so nothing here blocks: bytes that can't be
// written now wait in a bounded buffer, and lines that don't fit are dropped and counted. While something waits, the
// output of workers is not read (they slow down, and lose nothing); only the last words of a worker that has ended are
// read all the same.
internal import CLinux
internal import Glibc
internal import Reloader

/// Shared by the log and by all streams of workers that end here.
final class OutputSink {
    /// How many bytes may wait before lines are dropped: some thousand lines.
    static let waitingBytesMax = 256 * 1024
    /// How long the daemon waits at its end for a reader that does not read.
    private static let patienceMilliseconds: Int32 = 1000

    enum Destination: Codable, Equatable {
        case standardOutput
        case standardError
        case file(path: String)

        /// The name to show to people.
        var name: String {
            switch self {
            case .standardOutput: "standard output"
            case .standardError: "standard error"
            case .file(let path): printable(path)
            }
        }
    }

    enum Kind: String, Codable {
        /// Never blocks for long, and can't be waited for: a regular file or anything else that is not one of the kinds
        /// below.
        case file
        /// Our own non-blocking description of the same pipe or terminal.
        case nonBlocking
        /// A socket: MSG_DONTWAIT does the same without a second description.
        case socket
        /// A pipe or terminal that could not be opened again. It is written only after poll(2) reports room, in pieces
        /// that it takes whole.
        case guarded
    }

    private struct Target {
        let kind: Kind
        let channel: Channel
    }

    let destination: Destination
    /// Why the last write failed; nil if it did not.
    private(set) var failure: SystemError?

    private var target: Target
    private var waiting: [UInt8] = []
    private var droppedLines = 0
    private var lostBytes = 0
    /// Whether the bytes taken last end with a newline.
    private var isAtLineStart = true
    /// Whether the bytes written last end with a newline.
    private var isWrittenToLineEnd = true
    /// The rest of a line was lost: a newline has to come before the next bytes.
    private var isTorn = false

    /// Writes to what the descriptor refers to now, or to the file, which is created if it does not exist.
    ///
    /// - Parameter strangers: users who must not be able to put another file in its place.
    init(_ destination: Destination, closedTo strangers: [Stranger] = []) throws(SystemError) {
        self.destination = destination
        target = try Self.open(destination, closedTo: strangers)
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let destination: Destination
        let kind: Kind
        let descriptor: RowDescriptors.Place
        let waiting: [UInt8]
        let droppedLines: Int
        let lostBytes: Int
        let isAtLineStart: Bool
        let isWrittenToLineEnd: Bool
        let isTorn: Bool
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        State(
            destination: destination, kind: target.kind, descriptor: descriptors.add(channel.number), waiting: waiting,
            droppedLines: droppedLines, lostBytes: lostBytes, isAtLineStart: isAtLineStart,
            isWrittenToLineEnd: isWrittenToLineEnd, isTorn: isTorn)
    }

    init(_ state: State, of key: String, in rows: StateRows) throws(StateError) {
        destination = state.destination
        target = Target(
            kind: state.kind, channel: Channel(try rows.descriptor(state.descriptor, of: key)))
        waiting = state.waiting
        droppedLines = max(0, state.droppedLines)
        lostBytes = max(0, state.lostBytes)
        isAtLineStart = state.isAtLineStart
        isWrittenToLineEnd = state.isWrittenToLineEnd
        isTorn = state.isTorn
    }

    // MARK: writing

    /// The channel to watch while `isWaiting`.
    var channel: Channel { target.channel }

    /// Whether something could not be written yet: wait until `channel` is writable, then `flush`.
    var isWaiting: Bool { !waiting.isEmpty }

    /// Takes a whole log line, on a line of its own.
    func writeLine(_ line: [UInt8]) {
        let whole = isAtLineStart ? line : [UInt8(ascii: "\n")] + line
        whole.withUnsafeBytes { relay($0) }
    }

    /// Makes sure that the next bytes begin a line.
    func endLine() {
        if !isAtLineStart { writeLine([]) }
    }

    /// Takes all bytes if nothing waits, or if they fit into what may wait; otherwise drops them and counts their
    /// lines.
    func relay(_ bytes: UnsafeRawBufferPointer) {
        if bytes.isEmpty { return }
        if !waiting.isEmpty, waiting.count + bytes.count > Self.waitingBytesMax {
            droppedLines += max(1, bytes.count { $0 == UInt8(ascii: "\n") })
            return
        }
        isAtLineStart = bytes.last == UInt8(ascii: "\n")
        if waiting.isEmpty {
            let written = writeNow(bytes)
            waiting.append(contentsOf: bytes[written...])
        } else {
            waiting.append(contentsOf: bytes)
        }
    }

    /// Writes as much of what waits as can be written now.
    func flush() {
        let written = waiting.withUnsafeBytes { writeNow($0) }
        waiting.removeFirst(written)
    }

    /// Blocks until all is written, or until the reader has stopped reading.
    func drain() {
        while isWaiting {
            var request = pollfd(fd: channel.number, events: Int16(POLLOUT), revents: 0)
            if poll(&request, 1, Self.patienceMilliseconds) <= 0 { return }
            flush()
        }
    }

    /// Returns how many lines were dropped since the last call.
    func takeDroppedLines() -> Int {
        defer { droppedLines = 0 }
        return droppedLines
    }

    /// Returns how many bytes were lost since the last call.
    func takeLostBytes() -> Int {
        defer { lostBytes = 0 }
        return lostBytes
    }

    /// Looks at the descriptor again after it was replaced (log rotation), or opens the path again. The channel must
    /// not be watched.
    ///
    /// - Parameter strangers: as in `init`.
    func reopen(closedTo strangers: [Stranger]) throws(SystemError) {
        target = try Self.open(destination, closedTo: strangers)
        failure = nil
    }

    /// Returns how many bytes are done with: written, or lost because writing failed.
    private func writeNow(_ bytes: UnsafeRawBufferPointer) -> Int {
        var done = 0
        do {
            guard try endTornLine() else { return 0 }
            while done < bytes.count {
                guard let count = try writeOnce(UnsafeRawBufferPointer(rebasing: bytes[done...])) else { return done }
                done += count
                failure = nil
                if count > 0 { isWrittenToLineEnd = bytes[done - 1] == UInt8(ascii: "\n") }
            }
        } catch {
            // EPIPE, EIO, ENOSPC: these bytes can't be delivered, and the pool matters more than its output.
            failure = error
            lostBytes += bytes.count - done
            isTorn = !isWrittenToLineEnd
        }
        return bytes.count
    }

    /// Returns false if that has to wait.
    private func endTornLine() throws(SystemError) -> Bool {
        guard isTorn else { return true }
        let newline: StaticString = "\n"
        if try writeOnce(UnsafeRawBufferPointer(start: newline.utf8Start, count: 1)) == nil { return false }
        isTorn = false
        isWrittenToLineEnd = true
        return true
    }

    private func writeOnce(_ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int? {
        let number = channel.number
        switch target.kind {
        case .file, .nonBlocking:
            return try checkedUnlessWouldBlock("write", destination.name) {
                write(number, bytes.baseAddress, bytes.count)
            }
        case .socket:
            return try checkedUnlessWouldBlock("send", destination.name) {
                send(number, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
            }
        case .guarded:
            var request = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
            if try checked("poll", destination.name, { poll(&request, 1, 0) }) == 0 { return nil }
            return try checked("write", destination.name) { write(number, bytes.baseAddress, min(bytes.count, 4096)) }
        }
    }

    private static func open(
        _ destination: Destination, closedTo strangers: [Stranger]
    ) throws(SystemError) -> Target {
        switch destination {
        case .standardOutput: try open(standard: 1, destination.name)
        case .standardError: try open(standard: 2, destination.name)
        case .file(let path): try open(path: path, destination.name, strangers)
        }
    }

    private static func open(standard number: Int32, _ name: String) throws(SystemError) -> Target {
        switch try type(of: number, name) {
        case S_IFSOCK:
            return Target(kind: .socket, channel: Channel(try duplicate(number, name)))
        case S_IFIFO, S_IFCHR:
            let own = Glibc.open("/proc/self/fd/\(number)", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
            if own >= 0 { return Target(kind: .nonBlocking, channel: Channel(FileDescriptor(owning: own))) }
            return Target(kind: .guarded, channel: Channel(try duplicate(number, name)))
        default:
            return Target(kind: .file, channel: Channel(try duplicate(number, name)))
        }
    }

    /// Opens a path; without blocking if it leads to a pipe or a device.
    private static func open(
        path: String, _ name: String, _ strangers: [Stranger]
    ) throws(SystemError) -> Target {
        let file = try SafeFile.appending(to: path, closedTo: strangers)
        switch try type(of: file.number, name) {
        case S_IFIFO, S_IFCHR: return Target(kind: .nonBlocking, channel: Channel(file))
        default: return Target(kind: .file, channel: Channel(file))
        }
    }

    private static func type(of number: Int32, _ name: String) throws(SystemError) -> mode_t {
        var status = stat()
        try checked("fstat", name) { fstat(number, &status) }
        return status.st_mode & S_IFMT
    }

    private static func duplicate(_ number: Int32, _ name: String) throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: try checked("fcntl", name) { fcntl(number, F_DUPFD_CLOEXEC, 3) })
    }
}
