// Shows a roll while it goes on: on a terminal a bar that is redrawn in place, elsewhere plain lines.
import Reloader
import Supervisor

struct RollProgress {
    private let terminal = Terminal.output
    private let startedAt = MonotonicClock.now()
    private var bar = ProgressBar()
    /// The bar as it stands on the terminal's last line; "" if there is none.
    private var drawn = ""

    /// The bar shows whole seconds; a resized terminal is noticed a bit sooner.
    private static let redrawInterval = Duration.milliseconds(250)

    mutating func show(_ event: RollEvent) {
        bar.generation = event.generation ?? bar.generation
        bar.replaced = event.replaced ?? bar.replaced
        bar.workers = event.workers ?? bar.workers
        guard terminal != nil else {
            printOut(event.text + "\n")
            return
        }
        if event.isProgress { bar.message = event.text } else { printAbove(event.text) }
        redraw()
    }

    /// The time at which the bar must be drawn again, or `limit` if that is earlier.
    func deadline(atMost limit: Instant?) -> Instant? {
        guard terminal != nil else { return limit }
        let next = MonotonicClock.now() + Self.redrawInterval
        return limit.map { min($0, next) } ?? next
    }

    mutating func redraw() {
        guard let terminal, bar.workers > 0 else { return }
        let line = bar.text(width: terminal.size.columns - 1, seconds: (MonotonicClock.now() - startedAt).inSeconds)
        if line == drawn { return }
        printOut("\r\(line)\(Terminal.eraseToEndOfLine)")
        drawn = line
    }

    /// Leaves the bar as it is; what is printed next stands below it.
    mutating func end() {
        if drawn.isEmpty { return }
        printOut("\n")
        drawn = ""
    }

    private mutating func printAbove(_ message: String) {
        printOut("\r\(message)\(Terminal.eraseToEndOfLine)\n")
        drawn = ""
        bar.message = ""
    }
}

/// How far a roll is, in one line of a given width.
///
///     generation 2  [##############--------------]  2/4  3s  slot 1: 2 of 4 slots serve generation 2
struct ProgressBar {
    var generation = 0
    var replaced = 0
    /// 0 if it is not known yet.
    var workers = 0
    var message = ""

    /// At most `width` characters.
    func text(width: Int, seconds: Double) -> String {
        let head = "generation \(generation)  "
        let tail = "  \(replaced)/\(workers)  \(durationText(seconds))"
        // The message gets the room that a bar of full size leaves.
        let room = width - head.count - tail.count - 2
        guard room >= Self.cellsMin else { return String(tail.dropFirst(2).prefix(max(0, width))) }
        let line = head + "[\(cells(min(room, Self.cellsMax)))]" + tail
        return message.isEmpty ? line : fitted("\(line)  \(message)", width: width)
    }

    private func cells(_ count: Int) -> String {
        // In floating point, so that no number from the daemon can overflow.
        let part = workers > 0 ? min(max(0, Double(replaced) / Double(workers)), 1) : 0
        let done = Int(part * Double(count))
        return String(repeating: "#", count: done) + String(repeating: "-", count: count - done)
    }

    private static let cellsMin = 4
    private static let cellsMax = 28
}

/// What happens during a roll, as the daemon tells the clients that wait for it.
struct RollEvent: Answer {
    /// As in the log: `reload_began`, `slot_replaced`, …
    let event: String
    let generation: Int?
    /// Slots that serve the new generation, and slots in all.
    let replaced: Int?
    let workers: Int?
    /// One line, harmless for a terminal.
    let text: String

    init(_ json: JSON) throws(AnswerError) {
        event = try json.text("event")
        generation = json["generation"]?.whole
        replaced = json["replaced"]?.whole
        workers = json["workers"]?.whole
        let message = terminalText(json["msg"]?.text ?? event)
        let slot = json["slot"]?.whole
        // The daemon's messages about a reload name the slot themselves.
        text = slot == nil || event.utf8.starts(with: "reload_".utf8) ? message : "slot \(slot ?? 0): \(message)"
    }

    /// Whether the event only moves the bar, and needs no line of its own.
    var isProgress: Bool { ["reload_began", "slot_replaced", "reload_done"].contains(event) }
}
