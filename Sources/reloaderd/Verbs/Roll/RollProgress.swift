// Shows a roll while it goes on: a bar that is redrawn in place on a terminal, plain lines elsewhere.
import Glibc

struct RollProgress {
    private let terminal = Terminal.output
    private let began = Moment.now()
    private var bar = ProgressBar()
    /// What stands on the terminal's last line; "": nothing of ours.
    private var drawn = ""

    /// The time shown goes on by whole seconds; a resized terminal is seen a bit sooner.
    private static let redrawSeconds = 0.25

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

    /// Until when nothing can change on the terminal.
    func deadline(atMost limit: Moment?) -> Moment? {
        guard terminal != nil else { return limit }
        let next = Moment.now() + Self.redrawSeconds
        return limit.map { min($0, next) } ?? next
    }

    mutating func redraw() {
        guard let terminal, bar.workers > 0 else { return }
        let line = bar.text(width: terminal.size.columns - 1, seconds: Moment.now().since(began))
        if line == drawn { return }
        printOut("\r\(line)\(Terminal.eraseToEndOfLine)")
        drawn = line
    }

    /// Leaves the bar as it is, and what follows below it.
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
