// What a worker said last on stderr: a failed deploy must be able to say why.

/// Keeps the last lines of a stream of bytes, in bounded memory.
struct LastLines {
    /// Enough for a stack trace; 64 lines of 64 busy workers are 2 MB at the very most.
    static let linesMax = 64
    /// The rest of a longer line is cut off.
    static let lineBytesMax = 512

    private var lines: [[UInt8]] = []
    private var oldest = 0
    private var unfinished: [UInt8] = []

    /// Returns how many whole lines were kept of `bytes`, at most `linesMax`.
    @discardableResult
    mutating func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        var count = 0
        var rest = bytes[Self.startOfLastLines(bytes)...]
        if rest.startIndex > 0 { unfinished.removeAll(keepingCapacity: true) }
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            extend(with: rest[..<end])
            push(unfinished)
            count += 1
            unfinished.removeAll(keepingCapacity: true)
            rest = rest[(end + 1)...]
        }
        extend(with: rest)
        return count
    }

    /// The last lines that have come to their end, oldest first.
    var whole: [String] { (lines[oldest...] + lines[..<oldest]).map { String(decoding: $0, as: UTF8.self) } }

    /// The last lines, oldest first, an unfinished one last. Bytes that are not UTF-8 are replaced.
    var text: [String] {
        var all = lines[oldest...] + lines[..<oldest]
        if !unfinished.isEmpty { all.append(unfinished) }
        return all.suffix(Self.linesMax).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Of a flood only the end is looked at: where its last `linesMax` whole lines begin.
    private static func startOfLastLines(_ bytes: UnsafeRawBufferPointer) -> Int {
        var seen = 0
        for index in bytes.indices.reversed() where bytes[index] == UInt8(ascii: "\n") {
            seen += 1
            if seen > linesMax { return index + 1 }
        }
        return 0
    }

    private mutating func extend(with bytes: Slice<UnsafeRawBufferPointer>) {
        unfinished.append(contentsOf: bytes.prefix(Self.lineBytesMax - unfinished.count))
    }

    private mutating func push(_ line: [UInt8]) {
        if lines.count < Self.linesMax {
            lines.append(line)
        } else {
            lines[oldest] = line
            oldest = (oldest + 1) % Self.linesMax
        }
    }
}
