// What a worker wrote last to one of its two streams, in bounded memory: a failed deploy must be able to say why.
internal import Glibc

/// Keeps the last lines of a stream of bytes, and the first ones: a long stack trace has its message at its head.
struct LastLines {
    /// Deep stacks are longer than they seem: 64 frames are nothing for Java, Ruby or a promise chain.
    static let linesMax = 256
    /// The rest of a longer line is cut off.
    static let lineBytesMax = 512
    /// Room for 64 lines, however long they are; 64 busy workers keep 4 MB in their two streams at the very most.
    static let bytesMax = 64 * lineBytesMax
    /// Of those that a worker wrote first.
    static let firstLinesMax = 32

    /// A line as it is kept.
    struct Line {
        /// In this stream, from 0; what was skipped in a flood leaves a gap.
        var place = 0
        /// Its place among all lines of all workers, in the order of their arrival.
        var number = 0
        var time = timespec()
        var bytes = 0
    }

    private var first = KeptText()
    private var last = KeptText()
    private var unfinished: [UInt8] = []
    /// Of the line that is not at its end: when its last bytes came.
    private var current = Line()

    /// Returns how many whole lines were kept of `bytes`, at most `linesMax` and those that are the first.
    ///
    /// - Parameters:
    ///   - time: on the wall clock.
    ///   - number: of the last line of any worker; counted on.
    @discardableResult
    mutating func append(_ bytes: UnsafeRawBufferPointer, at time: timespec, _ number: inout Int) -> Int {
        var count = 0
        var rest = bytes
        // Of a flood, only what is kept in the end is looked at.
        var start = Self.startOfLastLines(bytes)
        while let base = rest.baseAddress, !rest.isEmpty {
            if start > 0, first.count >= Self.firstLinesMax {
                skip(&rest, to: start - (bytes.count - rest.count))
                start = 0
                continue
            }
            guard let newline = memchr(base, 10, rest.count) else { break }
            let length = UnsafeRawPointer(newline) - base
            extend(with: UnsafeRawBufferPointer(rebasing: rest[..<length]), at: time, &number)
            endLine()
            count += 1
            rest = UnsafeRawBufferPointer(rebasing: rest[(length + 1)...])
        }
        if !rest.isEmpty { extend(with: rest, at: time, &number) }
        return count
    }

    /// Nothing was written.
    var isEmpty: Bool { last.count == 0 && unfinished.isEmpty }

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

    /// Where the last `linesMax` whole lines begin.
    private static func startOfLastLines(_ bytes: UnsafeRawBufferPointer) -> Int {
        var seen = 0
        var index = bytes.count
        while index > 0 {
            index -= 1
            guard bytes[index] == UInt8(ascii: "\n") else { continue }
            seen += 1
            if seen > linesMax { return index + 1 }
        }
        return 0
    }

    private mutating func skip(_ rest: inout UnsafeRawBufferPointer, to start: Int) {
        if start <= 0 { return }
        rest = UnsafeRawBufferPointer(rebasing: rest[start...])
        unfinished.removeAll(keepingCapacity: true)
        current.place += 1
    }

    private mutating func extend(with bytes: UnsafeRawBufferPointer, at time: timespec, _ number: inout Int) {
        unfinished.append(contentsOf: bytes.prefix(Self.lineBytesMax - unfinished.count))
        number += 1
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
