// Makes lines of a stream, each with a tag before it, so that those of several workers can be told apart.
internal import Glibc

struct TaggedLines {
    /// A longer line goes on in the next one: more is binary data rather than words, and each stream may hold back as
    /// much.
    static let lineBytesMax = 16 * 1024

    private let tag: [UInt8]
    private var unfinished: [UInt8] = []

    /// - Parameter tag: begins each line.
    init(tag: String) { self.tag = Array(tag.utf8) }

    /// Appends to `lines` those that end in `bytes`.
    mutating func feed(_ bytes: UnsafeRawBufferPointer, into lines: inout [UInt8]) {
        var rest = bytes
        while let base = rest.baseAddress, let end = memchr(base, 10, rest.count) {
            let count = UnsafeRawPointer(end) - base
            if unfinished.isEmpty && count <= Self.lineBytesMax {
                lines.append(contentsOf: tag)
                lines.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest[...count]))
            } else {
                hold(UnsafeRawBufferPointer(rebasing: rest[..<count]), &lines)
                endLine(&lines)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[(count + 1)...])
        }
        hold(rest, &lines)
    }

    /// The stream is at its end: what it left unfinished is a line all the same.
    mutating func finish(into lines: inout [UInt8]) {
        if !unfinished.isEmpty { endLine(&lines) }
    }

    private mutating func hold(_ bytes: UnsafeRawBufferPointer, _ lines: inout [UInt8]) {
        var rest = bytes[...]
        while unfinished.count + rest.count > Self.lineBytesMax {
            let room = Self.lineBytesMax - unfinished.count
            unfinished.append(contentsOf: rest.prefix(room))
            rest = rest.dropFirst(room)
            endLine(&lines)
        }
        unfinished.append(contentsOf: rest)
    }

    private mutating func endLine(_ lines: inout [UInt8]) {
        lines.append(contentsOf: tag)
        lines.append(contentsOf: unfinished)
        lines.append(UInt8(ascii: "\n"))
        unfinished.removeAll(keepingCapacity: true)
    }
}
