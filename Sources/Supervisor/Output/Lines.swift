// How streams of bytes are cut into lines, in bounded memory whatever arrives: messages, whole lines, and tagged lines.
internal import Glibc

struct LineSplitter: Codable {
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
/// another or a record of the daemon. Every byte is passed on, in order, and lines that look like records are marked.
struct WholeLines {
    /// How many bytes of an unfinished line are held back before they are passed on. A pipe keeps no longer write
    /// together either, see pipe(7).
    static let heldBytesMax = 4096

    /// One that may turn out to look like a record is judged when it is whole, if that is not too long.
    private static let suspectBytesMax = 64 * 1024

    private let lookalikes: Lookalikes
    private var held: [UInt8] = []

    init(_ lookalikes: Lookalikes) { self.lookalikes = lookalikes }

    /// Calls `body` with the bytes that may be passed on: none, or all up to the last newline.
    ///
    /// - Parameter buffer: scratch space for lines that are changed.
    mutating func feed(
        _ bytes: UnsafeRawBufferPointer, _ buffer: inout [UInt8], _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        var rest = bytes
        if !held.isEmpty, let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
            held.append(contentsOf: rest[...newline])
            finish(&buffer, body)
            rest = UnsafeRawBufferPointer(rebasing: rest[(newline + 1)...])
        }
        let end = rest.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        if end > 0 { lookalikes.pass(UnsafeRawBufferPointer(rebasing: rest[..<end]), &buffer, body) }
        held.append(contentsOf: rest[end...])
        if held.count > Self.heldBytesMax, held.count > Self.suspectBytesMax || !isSuspect { finish(&buffer, body) }
    }

    private var isSuspect: Bool { held.withUnsafeBytes { lookalikes.mayBecomeOne($0) } }

    /// Passes on an unfinished line, because the stream has ended.
    mutating func finish(_ buffer: inout [UInt8], _ body: (UnsafeRawBufferPointer) -> Void) {
        if held.isEmpty { return }
        held.withUnsafeBytes { lookalikes.pass($0, &buffer, body) }
        held.removeAll(keepingCapacity: held.count <= Self.heldBytesMax)
    }
}

extension WholeLines {
    /// For the daemon that comes next.
    var heldBytes: [UInt8] { held }

    init(_ lookalikes: Lookalikes, held: [UInt8]) {
        self.lookalikes = lookalikes
        self.held = held
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

    /// For the daemon that comes next.
    var heldBytes: [UInt8] { unfinished }

    init(tag: String, held: [UInt8]) {
        self.tag = Array(tag.utf8)
        unfinished = Array(held.prefix(Self.lineBytesMax))
    }

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
