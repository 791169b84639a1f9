// What is kept of the words of one worker: both of its streams, in the order in which their lines came.
internal import Glibc

/// One line of a worker, to be shown.
struct OutputLine {
    let stream: WorkerStream.Kind
    /// When it came, on the wall clock.
    let time: timespec
    let text: String
    /// Of the read that it came with: the order of arrival among all workers.
    let number: Int
    /// Lines before it are left out.
    var isAfterGap = false
}

struct KeptLines {
    /// Stands for lines that are left out where there are only texts.
    static let gap = "[lines are left out here]"

    private var output = LastLines()
    private var errors = LastLines()

    /// Takes what was read; returns how many whole lines were kept of it, or a larger number.
    mutating func append(
        _ bytes: UnsafeRawBufferPointer, to stream: WorkerStream.Kind, at time: timespec, _ number: Int
    ) -> Int {
        switch stream {
        case .standardOutput: output.append(bytes, at: time, number)
        case .standardError: errors.append(bytes, at: time, number)
        }
    }

    /// Nothing was written to this stream.
    func isEmpty(_ stream: WorkerStream.Kind) -> Bool { lines(of: stream).isEmpty }

    /// The last `count` lines that have come to their end.
    func whole(_ count: Int, of stream: WorkerStream.Kind) -> [OutputLine] {
        shown(lines(of: stream).newest(count, unfinishedToo: false), stream)
    }

    /// The last `count` lines of both.
    func last(_ count: Int) -> [OutputLine] {
        let both = WorkerStream.Kind.allCases.flatMap { shown(lines(of: $0).newest(count), $0) }
        return Array(both.inOrder.suffix(count))
    }

    /// All that are kept, of these streams.
    ///
    /// - Parameter fromStart: with those that it wrote first: they explain why it has not come up, and nothing later.
    func all(of streams: [WorkerStream.Kind], fromStart: Bool) -> [OutputLine] {
        streams.flatMap { stream in
            let kept = lines(of: stream)
            return shown(fromStart ? kept.firstAndLast : kept.newest(.max), stream)
        }.inOrder
    }

    private func lines(of stream: WorkerStream.Kind) -> LastLines {
        switch stream {
        case .standardOutput: output.upToDate
        case .standardError: errors.upToDate
        }
    }

    private func shown(
        _ lines: [(line: LastLines.Line, text: String)], _ stream: WorkerStream.Kind
    ) -> [OutputLine] {
        var next: Int?
        return lines.map { line, text in
            defer { next = line.place + 1 }
            return OutputLine(
                stream: stream, time: line.time, text: text, number: line.number,
                isAfterGap: next.map { line.place > $0 } ?? false)
        }
    }
}

extension [OutputLine] {
    /// By arrival; sorting keeps the order of those that came together.
    var inOrder: [OutputLine] { sorted { $0.number < $1.number } }

    /// With a line for each gap.
    var texts: [String] { flatMap { $0.isAfterGap ? [KeptLines.gap, $0.text] : [$0.text] } }

    /// What the log repeats: the first and the last, and of the frames of a stack, which are indented, the first and
    /// the last too, so that the message before them is there however deep it is.
    var excerpt: [OutputLine] {
        leavingOutFrames.leavingOut(after: 16, before: 32)
    }

    private var leavingOutFrames: [OutputLine] {
        var rest = self[...]
        var result: [OutputLine] = []
        while let line = rest.first {
            let run = rest.prefix { $0.isIndented == line.isIndented }
            result += line.isIndented ? Array(run).leavingOut(after: 8, before: 4) : Array(run)
            rest = rest[run.endIndex...]
        }
        return result
    }

    private func leavingOut(after head: Int, before tail: Int) -> [OutputLine] {
        // One line in place of one is no gain.
        if count <= head + tail + 1 { return self }
        var end = Array(suffix(tail))
        end[0].isAfterGap = true
        return prefix(head) + end
    }
}

extension OutputLine {
    fileprivate var isIndented: Bool { text.first == " " || text.first == "\t" }
}

/// What a worker wrote last to one of its two streams, in bounded memory: a failed deploy must be able to say why.
///
/// Keeps the last lines of a stream of bytes, and the first ones: a long stack trace has its message at its head.
struct LastLines {
    /// Deep stacks are longer than they seem: 64 frames are nothing for Java, Ruby or a promise chain.
    static let linesMax = 256
    /// The rest of a longer line is cut off.
    static let lineBytesMax = 512
    /// So many are kept, however long they are.
    static let linesMin = 64
    /// Room for them; 64 busy workers keep 4 MB in their two streams at the very most.
    static let bytesMax = linesMin * lineBytesMax
    /// Of those that a worker wrote first.
    static let firstLinesMax = 32

    /// A line as it is kept.
    struct Line {
        /// In this stream, from 0; what was skipped in a flood leaves a gap.
        var place = 0
        /// Of the read that it came with: the order of arrival among all workers.
        var number = 0
        var time = timespec()
        var bytes = 0
    }

    private var first = KeptText()
    private var last = KeptText()
    private var unfinished: [UInt8] = []
    /// The end of the last read of a flood, not cut into lines yet: of most, nobody ever asks.
    private var uncut: [UInt8] = []
    /// Of the line that is not at its end: when its last bytes came.
    private var current = Line()

    /// Takes what was read at `time`, on the wall clock.
    ///
    /// - Parameter number: of the read.
    /// - Returns: how many whole lines were kept of it, or a larger number.
    mutating func append(_ bytes: UnsafeRawBufferPointer, at time: timespec, _ number: Int) -> Int {
        if isFlood(bytes) {
            uncut.removeAll(keepingCapacity: true)
            uncut.append(contentsOf: bytes.suffix(Self.bytesMax))
            (current.time, current.number) = (time, number)
            return Self.linesMax
        }
        cut()
        return take(bytes, at: time, number)
    }

    /// All that was kept before is out of date with this read, whose end is enough.
    private func isFlood(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count > Self.bytesMax, first.count >= Self.firstLinesMax else { return false }
        let end = UnsafeRawBufferPointer(rebasing: bytes.suffix(Self.bytesMax))
        return Self.startOfLastLines(end, Self.linesMin) > 0
    }

    /// Catches up with what a flood has left.
    private mutating func cut() {
        if uncut.isEmpty { return }
        last = KeptText()
        // Its first line began earlier.
        let start = uncut.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? uncut.count
        unfinished.removeAll(keepingCapacity: true)
        current.place += 1
        let bytes = uncut
        uncut.removeAll(keepingCapacity: true)
        _ = bytes[start...].withUnsafeBytes { take($0, at: current.time, current.number) }
    }

    /// Cuts it into lines.
    private mutating func take(_ bytes: UnsafeRawBufferPointer, at time: timespec, _ number: Int) -> Int {
        var count = 0
        var rest = bytes
        // Only what is kept in the end is looked at.
        var start = Self.startOfLastLines(bytes, Self.linesMax)
        while let base = rest.baseAddress, !rest.isEmpty {
            if start > 0, first.count >= Self.firstLinesMax {
                skip(&rest, to: start - (bytes.count - rest.count))
                start = 0
                continue
            }
            guard let newline = memchr(base, 10, rest.count) else { break }
            let length = UnsafeRawPointer(newline) - base
            extend(with: UnsafeRawBufferPointer(rebasing: rest[..<length]), at: time, number)
            endLine()
            count += 1
            rest = UnsafeRawBufferPointer(rebasing: rest[(length + 1)...])
        }
        if !rest.isEmpty { extend(with: rest, at: time, number) }
        return count
    }

    /// Nothing was written.
    var isEmpty: Bool { last.count == 0 && unfinished.isEmpty && uncut.isEmpty }

    /// With all lines cut.
    var upToDate: LastLines {
        var lines = self
        lines.cut()
        return lines
    }

    /// The newest `count` lines, oldest first, with their text; an unfinished one last. Bytes that are not UTF-8 are
    /// replaced.
    func newest(_ count: Int, unfinishedToo: Bool = true) -> [(line: Line, text: String)] {
        Array(((unfinishedToo ? all(last) : last.all)).suffix(count))
    }

    /// The first lines, and after them the last.
    var firstAndLast: [(line: Line, text: String)] {
        let newest = all(last)
        guard let oldest = newest.first?.line.place else { return [] }
        return first.all.filter { $0.line.place < oldest } + newest
    }

    private func all(_ text: KeptText) -> [(line: Line, text: String)] {
        unfinished.isEmpty ? text.all : text.all + [(current, String(decoding: unfinished, as: UTF8.self))]
    }

    /// Where the last `count` whole lines begin; 0: there are no more.
    private static func startOfLastLines(_ bytes: UnsafeRawBufferPointer, _ count: Int) -> Int {
        var seen = 0
        var index = bytes.count
        while index > 0 {
            index -= 1
            guard bytes[index] == UInt8(ascii: "\n") else { continue }
            seen += 1
            if seen > count { return index + 1 }
        }
        return 0
    }

    private mutating func skip(_ rest: inout UnsafeRawBufferPointer, to start: Int) {
        if start <= 0 { return }
        rest = UnsafeRawBufferPointer(rebasing: rest[start...])
        unfinished.removeAll(keepingCapacity: true)
        current.place += 1
    }

    private mutating func extend(with bytes: UnsafeRawBufferPointer, at time: timespec, _ number: Int) {
        unfinished.append(contentsOf: bytes.prefix(Self.lineBytesMax - unfinished.count))
        current.number = number
        current.time = time
    }

    private mutating func endLine() {
        current.bytes = unfinished.count
        if first.count < Self.firstLinesMax { first.append(current, unfinished) }
        last.append(current, unfinished)
        last.shrink(linesMax: Self.linesMax, bytesMax: Self.bytesMax)
        unfinished.removeAll(keepingCapacity: true)
        current.place += 1
    }
}

/// Lines one after the other in one piece of memory: a busy worker's would otherwise cost an allocation each.
private struct KeptText {
    private var lines: [LastLines.Line] = []
    private var bytes: [UInt8] = []
    /// Those before are dropped, and go when they are as many as are kept.
    private var oldestLine = 0
    private var oldestByte = 0

    var count: Int { lines.count - oldestLine }

    var all: [(line: LastLines.Line, text: String)] {
        var start = oldestByte
        return lines[oldestLine...].map { line in
            defer { start += line.bytes }
            return (line, String(decoding: bytes[start..<start + line.bytes], as: UTF8.self))
        }
    }

    mutating func append(_ line: LastLines.Line, _ text: [UInt8]) {
        lines.append(line)
        bytes.append(contentsOf: text)
    }

    mutating func shrink(linesMax: Int, bytesMax: Int) {
        while count > linesMax || bytes.count - oldestByte > bytesMax {
            oldestByte += lines[oldestLine].bytes
            oldestLine += 1
        }
        guard oldestLine >= linesMax || oldestByte >= bytesMax else { return }
        lines.removeFirst(oldestLine)
        bytes.removeFirst(oldestByte)
        (oldestLine, oldestByte) = (0, 0)
    }
}
