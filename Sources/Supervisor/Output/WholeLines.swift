// Passes what a worker writes on in whole lines: many write to the same end, and none may tear another's line, nor a
// record of the daemon's. Every byte goes through, in order, and no line can be mistaken for a record.
internal import Glibc

struct WholeLines {
    /// A line without an end is held back up to here (pipe(7) keeps no longer write together either), and let go then.
    static let heldBytesMax = 4096

    /// One that may turn out to look like a record is judged when it is whole, if that is not too long.
    private static let suspectBytesMax = 64 * 1024

    private let lookalikes: Lookalikes
    private var held: [UInt8] = []

    init(_ lookalikes: Lookalikes) { self.lookalikes = lookalikes }

    /// Calls `body` with what may be passed on: nothing, or all up to the last newline.
    ///
    /// - Parameter buffer: for lines that are changed.
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

    /// Nothing more comes to end the line.
    mutating func finish(_ buffer: inout [UInt8], _ body: (UnsafeRawBufferPointer) -> Void) {
        if held.isEmpty { return }
        held.withUnsafeBytes { lookalikes.pass($0, &buffer, body) }
        held.removeAll(keepingCapacity: held.count <= Self.heldBytesMax)
    }
}
