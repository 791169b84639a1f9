// How a roll stands, in one line of a given width.
//
//     generation 2  [##############--------------]  2/4  3s  slot 1: 2 of 4 slots serve generation 2

struct ProgressBar {
    var generation = 0
    var replaced = 0
    /// 0: not known yet.
    var workers = 0
    var message = ""

    /// At most `width` characters.
    func text(width: Int, seconds: Double) -> String {
        let head = "generation \(generation)  "
        let tail = "  \(replaced)/\(workers)  \(durationText(seconds))"
        // The message gets what a bar of good size leaves.
        let room = width - head.count - tail.count - 2
        guard room >= Self.cellsMin else { return String(tail.dropFirst(2).prefix(max(0, width))) }
        let line = head + "[\(cells(min(room, Self.cellsMax)))]" + tail
        return message.isEmpty ? line : fitted("\(line)  \(message)", width: width)
    }

    private func cells(_ count: Int) -> String {
        // In floating point: whatever the daemon says, there is no overflow.
        let part = workers > 0 ? min(max(0, Double(replaced) / Double(workers)), 1) : 0
        let done = Int(part * Double(count))
        return String(repeating: "#", count: done) + String(repeating: "-", count: count - done)
    }

    private static let cellsMin = 4
    private static let cellsMax = 28
}
