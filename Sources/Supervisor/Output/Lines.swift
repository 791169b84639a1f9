// How streams of bytes are cut into lines, in bounded memory whatever arrives: messages, whole lines, and tagged lines.
internal import Glibc

struct LineSplitter {
    /// Longer lines can't be messages: they are thrown away up to their newline.
    static let lineBytesMax = 4096

    private var unfinished: [UInt8] = []
    private var isOverlong = false

    /// Calls `body` with each whole line, without its newline.
    mutating func feed(_ bytes: UnsafeRawBufferPointer, _ body: (ArraySlice<UInt8>) -> Void) {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            extend(with: rest[..<end])
            if !isOverlong { body(unfinished[...]) }
            unfinished.removeAll(keepingCapacity: true)
            isOverlong = false
            rest = rest[(end + 1)...]
        }
        extend(with: rest)
    }

    private mutating func extend(with bytes: Slice<UnsafeRawBufferPointer>) {
        if isOverlong { return }
        if unfinished.count + bytes.count > Self.lineBytesMax {
            unfinished.removeAll()
            isOverlong = true
        } else {
            unfinished.append(contentsOf: bytes)
        }
    }
}

/// Passes on in whole lines what a worker writes: many workers write to the same place, and none may tear a line of
/// another or a record of the daemon. Every byte is passed on, in order.
struct WholeLines {
    /// How many bytes of an unfinished line are held back before they are passed on. A pipe keeps no longer write
    /// together either, see pipe(7).
    static let heldBytesMax = 4096

    private var held: [UInt8] = []

    /// Calls `body` with the bytes that may be passed on: none, or all up to the last newline.
    mutating func feed(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        let end = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        if end > 0 {
            finish(body)
            body(UnsafeRawBufferPointer(rebasing: bytes[..<end]))
        }
        held.append(contentsOf: bytes[end...])
        if held.count > Self.heldBytesMax { finish(body) }
    }

    /// Passes on an unfinished line, because the stream has ended.
    mutating func finish(_ body: (UnsafeRawBufferPointer) -> Void) {
        if held.isEmpty { return }
        held.withUnsafeBytes { body($0) }
        held.removeAll(keepingCapacity: held.count <= Self.heldBytesMax)
    }
}

/// Puts a tag before each line of a stream, so that the lines of several workers can be told apart.
struct TaggedLines {
    /// A longer line is continued in the next one: it is more likely binary data than text, and each stream may hold
    /// back this much.
    static let lineBytesMax = 16 * 1024

    private let tag: [UInt8]
    private var unfinished: [UInt8] = []

    /// - Parameter tag: begins each line.
    init(tag: String) { self.tag = Array(tag.utf8) }

    /// Appends the lines that end in `bytes` to `lines`.
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

    /// Ends an unfinished line, because the stream has ended.
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
