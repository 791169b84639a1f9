// The lines that are kept of what one worker writes, from both of its streams, in the order in which they came.
internal import Glibc

/// One line that a worker wrote, to be shown.
struct OutputLine: Codable {
    let stream: WorkerStream.Kind
    /// When the line came, on the wall clock.
    let time: timespec
    let text: String
    /// The number of the read that it came with: the order of arrival among all workers.
    let number: Int
    /// Lines before this one are left out.
    var isAfterGap = false
}

struct KeptLines: Codable {
    /// Stands for lines that are left out, in lists of plain texts.
    static let gap = "[lines are left out here]"

    private var output = LastLines()
    private var errors = LastLines()

    /// Takes the bytes of one read; returns how many whole lines of them were kept, or a larger number.
    mutating func append(
        _ bytes: UnsafeRawBufferPointer, to stream: WorkerStream.Kind, at time: timespec, _ number: Int
    ) -> Int {
        switch stream {
        case .standardOutput: output.append(bytes, at: time, number)
        case .standardError: errors.append(bytes, at: time, number)
        }
    }

    /// Whether nothing was written to this stream.
    func isEmpty(_ stream: WorkerStream.Kind) -> Bool { lines(of: stream).isEmpty }

    /// The last `count` lines that are complete.
    func whole(_ count: Int, of stream: WorkerStream.Kind) -> [OutputLine] {
        shown(lines(of: stream).newest(count, unfinishedToo: false), stream)
    }

    /// The last `count` lines of both streams.
    func last(_ count: Int) -> [OutputLine] {
        let both = WorkerStream.Kind.allCases.flatMap { shown(lines(of: $0).newest(count), $0) }
        return Array(both.inOrder.suffix(count))
    }

    /// All lines of these streams that are kept.
    ///
    /// - Parameter fromStart: includes the lines that the worker wrote first. They explain why it has not started, and
    ///   nothing that happens later.
    func all(of streams: [WorkerStream.Kind], fromStart: Bool) -> [OutputLine] {
        streams.flatMap { stream in
            let kept = lines(of: stream)
            return shown(fromStart ? kept.firstAndLast : kept.newest(.max), stream)
        }.inOrder
    }

    var isSound: Bool { output.isSound && errors.isSound }

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
    /// Sorted by arrival; lines that came together keep their order.
    var inOrder: [OutputLine] { sorted { $0.number < $1.number } }

    /// The texts, with a line for each gap.
    var texts: [String] { flatMap { $0.isAfterGap ? [KeptLines.gap, $0.text] : [$0.text] } }

    /// The lines that the log repeats: the first and the last ones. The frames of a stack, which are indented, are
    /// shortened to the first and the last ones too, so that the message before them is shown even if the stack is
    /// deep.
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
        // Replacing one line with one gap gains nothing.
        if count <= head + tail + 1 { return self }
        var end = Array(suffix(tail))
        end[0].isAfterGap = true
        return prefix(head) + end
    }
}

extension OutputLine {
    fileprivate var isIndented: Bool { text.first == " " || text.first == "\t" }
}

/// Keeps the last lines that a worker wrote to one of its two streams, in bounded memory, so that a failed deploy can
/// say why. Keeps the first lines too: a long stack trace has its message at its head.
struct LastLines: Codable {
    /// How many lines are kept. Stacks get deep: 64 frames are nothing unusual for Java, Ruby or a promise chain.
    static let linesMax = 256
    /// Longer lines are cut off here.
    static let lineBytesMax = 512
    /// This many lines are kept in any case, even if all are long.
    static let linesMin = 64
    /// Room for that many lines; 64 busy workers keep at most 4 MB in their two streams.
    static let bytesMax = linesMin * lineBytesMax
    /// How many of the lines that a worker wrote first are kept.
    static let firstLinesMax = 32

    /// A line as it is kept.
    struct Line: Codable {
        /// The line's number in this stream, from 0. Lines that were skipped in a flood leave a gap.
        var place = 0
        /// The number of the read that it came with: the order of arrival among all workers.
        var number = 0
        var time = timespec()
        var bytes = 0
    }

    private var first = KeptText()
    private var last = KeptText()
    private var unfinished: [UInt8] = []
    /// The end of the last read of a flood, not cut into lines yet: most of these are never shown.
    private var uncut: [UInt8] = []
    /// The unfinished line; its time is when its last bytes came.
    private var current = Line()

    /// Takes the bytes of one read, which came at `time` on the wall clock.
    ///
    /// - Parameter number: the number of the read.
    /// - Returns: how many whole lines of them were kept, or a larger number.
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

    /// Whether the end of this read alone replaces everything that was kept before.
    private func isFlood(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count > Self.bytesMax, first.count >= Self.firstLinesMax else { return false }
        let end = UnsafeRawBufferPointer(rebasing: bytes.suffix(Self.bytesMax))
        return Self.startOfLastLines(end, Self.linesMin) > 0
    }

    /// Cuts what a flood has left into lines.
    private mutating func cut() {
        if uncut.isEmpty { return }
        last = KeptText()
        // The first line began before these bytes.
        let start = uncut.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? uncut.count
        unfinished.removeAll(keepingCapacity: true)
        current.place += 1
        let bytes = uncut
        uncut.removeAll(keepingCapacity: true)
        _ = bytes[start...].withUnsafeBytes { take($0, at: current.time, current.number) }
    }

    /// Cuts the bytes into lines.
    private mutating func take(_ bytes: UnsafeRawBufferPointer, at time: timespec, _ number: Int) -> Int {
        var count = 0
        var rest = bytes
        // Only lines that will be kept are looked at.
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

    /// Such lines can be added to.
    var isSound: Bool { first.isSound && last.isSound && unfinished.count <= Self.lineBytesMax }

    /// Whether nothing was written.
    var isEmpty: Bool { last.count == 0 && unfinished.isEmpty && uncut.isEmpty }

    /// A copy in which all bytes are cut into lines.
    var upToDate: LastLines {
        var lines = self
        lines.cut()
        return lines
    }

    /// The newest `count` lines, oldest first, with their text; an unfinished line is the last. Bytes that are not
    /// UTF-8 are replaced.
    func newest(_ count: Int, unfinishedToo: Bool = true) -> [(line: Line, text: String)] {
        Array(((unfinishedToo ? all(last) : last.all)).suffix(count))
    }

    /// The first lines, followed by the last ones.
    var firstAndLast: [(line: Line, text: String)] {
        let newest = all(last)
        guard let oldest = newest.first?.line.place else { return [] }
        return first.all.filter { $0.line.place < oldest } + newest
    }

    private func all(_ text: KeptText) -> [(line: Line, text: String)] {
        unfinished.isEmpty ? text.all : text.all + [(current, String(decoding: unfinished, as: UTF8.self))]
    }

    /// Where the last `count` whole lines begin; 0 if there are no more lines than that.
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

/// Lines, one after the other in one piece of memory: otherwise each line of a busy worker would cost an allocation.
private struct KeptText: Codable {
    private var lines: [LastLines.Line] = []
    private var bytes: [UInt8] = []
    /// Where the kept lines begin. Lines before that are dropped; their memory is freed when they are as many as may be
    /// kept.
    private var oldestLine = 0
    private var oldestByte = 0

    /// Each line has its bytes.
    var isSound: Bool {
        guard 0...lines.count ~= oldestLine, 0...bytes.count ~= oldestByte else { return false }
        var left = bytes.count - oldestByte
        for line in lines[oldestLine...] {
            guard 0...left ~= line.bytes else { return false }
            left -= line.bytes
        }
        return left == 0
    }

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
