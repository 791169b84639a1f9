// Cuts a stream into lines, in bounded memory whatever arrives.

struct LineSplitter {
    /// Longer lines are no message of anybody's: they are thrown away up to their newline.
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
