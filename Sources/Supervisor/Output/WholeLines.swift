// Passes what a worker writes on in whole lines: many write to the same end, and none may tear another's line, nor a
// record of the daemon's. Every byte goes through, in order.
internal import Glibc

struct WholeLines {
    /// A line without an end is held back up to here (pipe(7) keeps no longer write together either), and let go then.
    static let heldBytesMax = 4096

    private var held: [UInt8] = []

    /// Calls `body` with what may be passed on: nothing, or all up to the last newline.
    mutating func feed(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        let end = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        if end > 0 {
            finish(body)
            body(UnsafeRawBufferPointer(rebasing: bytes[..<end]))
        }
        held.append(contentsOf: bytes[end...])
        if held.count > Self.heldBytesMax { finish(body) }
    }

    /// Nothing more comes to end the line.
    mutating func finish(_ body: (UnsafeRawBufferPointer) -> Void) {
        if held.isEmpty { return }
        held.withUnsafeBytes { body($0) }
        held.removeAll(keepingCapacity: held.count <= Self.heldBytesMax)
    }
}
