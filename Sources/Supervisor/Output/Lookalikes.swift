// Keeps what workers write apart from the daemon's own records. A line of a worker that begins as a record does is
// marked, so that nobody takes a worker's word for the daemon's; every other line passes as it is.
internal import CLinux
internal import Glibc

struct Lookalikes {
    /// journald breaks longer lines than 48 KiB (LineMax= in journald.conf(5)) wherever that is, and what comes then
    /// begins a line. Below that it is we who break them.
    private static let journalLineBytesMax = 32 * 1024

    private let story: Story
    private let slot: Int
    private let generation: Int
    private let pid: Int32
    private let kind: WorkerStream.Kind
    private let tag: [UInt8]

    init(_ kind: WorkerStream.Kind, of worker: WorkerOutput, _ story: Story) {
        self.story = story
        self.kind = kind
        (slot, generation, pid) = (worker.slot, worker.generation, worker.pid)
        tag = Array(OutputRoutes.tag(slot: slot, pid: pid).utf8)
    }

    /// Calls `body` with `bytes`, in which each lookalike is marked.
    ///
    /// - Parameters:
    ///   - bytes: begin a line, or may come to stand at the beginning of one: what was written before them was not at
    ///     its line's end, and a record may have come between.
    ///   - buffer: for the marked lines.
    func pass(_ bytes: UnsafeRawBufferPointer, _ buffer: inout [UInt8], _ body: (UnsafeRawBufferPointer) -> Void) {
        if bytes.isEmpty { return }
        guard mayHold(bytes) else { return body(bytes) }
        buffer.removeAll(keepingCapacity: true)
        var rest = bytes
        while !rest.isEmpty {
            let end = lineEnd(in: rest)
            let line = UnsafeRawBufferPointer(rebasing: rest[..<end])
            let isWhole = end < rest.count && Self.isLineEnd(rest[end])
            let isMarked = isLookalike(line, isWhole: isWhole)
            if isMarked { mark(line, &buffer) } else { buffer.append(contentsOf: line) }
            if isWhole {
                buffer.append(rest[end])
            } else if story.isJournal || isMarked {
                buffer.append(UInt8(ascii: "\n"))
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[(isWhole ? end + 1 : end)...])
        }
        buffer.withUnsafeBytes { body($0) }
    }

    /// Whether what is held back so far may become a lookalike.
    func mayBecomeOne(_ bytes: UnsafeRawBufferPointer) -> Bool { isLookalike(bytes, isWhole: false) }

    /// A quick look: most of what workers write is nothing like it.
    private func mayHold(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if bytes.last != UInt8(ascii: "\n") { return true }
        if story.isJournal, bytes.count > Self.journalLineBytesMax { return true }
        return switch story.format {
        case .pretty: Self.contains(bytes, ":")
        case .text: Self.contains(bytes, "time=") && Self.contains(bytes, "event=")
        case .json: Self.contains(bytes, "{")
        }
    }

    // MARK: lines

    /// Readers take a carriage return for the end of a line as well, and journald a NUL.
    private static func isLineEnd(_ byte: UInt8) -> Bool { byte == 10 || byte == 13 || byte == 0 }

    private func lineEnd(in bytes: UnsafeRawBufferPointer) -> Int {
        var end = 0
        let endMax = story.isJournal ? min(bytes.count, Self.journalLineBytesMax) : bytes.count
        while end < endMax, !Self.isLineEnd(bytes[end]) { end += 1 }
        return end
    }

    /// - Parameter isWhole: nothing can be added to the line.
    private func isLookalike(_ line: UnsafeRawBufferPointer, isWhole: Bool) -> Bool {
        guard let start = Self.start(of: line) else { return !isWhole }
        let text = UnsafeRawBufferPointer(rebasing: line[start...])
        switch story.format {
        case .pretty: return Self.beginsWithClock(text, isWhole: isWhole)
        case .text:
            let first: StaticString = "time="
            let count = min(text.count, first.utf8CodeUnitCount)
            let word = UnsafeRawBufferPointer(start: first.utf8Start, count: count)
            guard text.prefix(count).elementsEqual(word) else { return false }
            if text.count < first.utf8CodeUnitCount { return !isWhole }
            return !isWhole || Self.contains(text, "event=")
        case .json:
            guard text.first == UInt8(ascii: "{") else { return false }
            // The key can be written with escapes: those of small letters are \u0061 to \u007a.
            return !isWhole || Self.contains(text, "event") || Self.contains(text, "\\u006")
                || Self.contains(text, "\\u007")
        }
    }

    /// Where a line's text begins, after blanks and the levels that the journal takes off (sd-daemon(3)); nil if it
    /// does not begin here.
    private static func start(of line: UnsafeRawBufferPointer) -> Int? {
        var start = 0
        while start < line.count {
            switch line[start] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"): start += 1
            case UInt8(ascii: "<"):
                var end = start + 1
                while end < line.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= line[end] { end += 1 }
                if end == line.count { return nil }
                if line[end] != UInt8(ascii: ">") { return start }
                start = end + 1
            default: return start
            }
        }
        return nil
    }

    /// `16:20:05` and two blanks, as each line of `PrettyLog`.
    private static func beginsWithClock(_ text: UnsafeRawBufferPointer, isWhole: Bool) -> Bool {
        let shape: StaticString = "00:00:00  "
        if isWhole && text.count < shape.utf8CodeUnitCount { return false }
        let pattern = UnsafeRawBufferPointer(start: shape.utf8Start, count: shape.utf8CodeUnitCount)
        return zip(text, pattern).allSatisfy { byte, sample in
            sample == UInt8(ascii: "0") ? UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte : byte == sample
        }
    }

    private static func contains(_ bytes: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        rl_contains(bytes.baseAddress, bytes.count, word.utf8Start, word.utf8CodeUnitCount)
    }

    // MARK: marks

    /// A log in JSON stays one; in text the line gets what `--output prefix` puts before lines.
    private func mark(_ line: UnsafeRawBufferPointer, _ buffer: inout [UInt8]) {
        switch story.format {
        case .pretty, .text:
            buffer.append(contentsOf: tag)
            buffer.append(contentsOf: line)
        case .json:
            let record = LogRecord(
                .info, "worker_output", String(decoding: line, as: UTF8.self),
                [
                    ("slot", .number(slot)), ("generation", .number(generation)), ("pid", .number(Int(pid))),
                    ("stream", .text(kind.name)),
                ])
            buffer.append(contentsOf: story.line(record).dropLast())
        }
    }
}
