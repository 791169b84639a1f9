// What workers write: from their pipes to where --output says. Each is read in turns, and while a way out is full, streams
// that have more for it wait in line: a worker that floods it slows itself only. Also what is kept of their words, and the
// rotation of log files.
internal import Glibc
internal import Reloader

final class Output {
    /// When a worker is gone, at most this much is still read of what it left in each pipe: what a pipe holds.
    private static let lastTurns = 16
    /// Streams that go on as soon as there is room again; the others are heard in the loop's next turn.
    private static let streamsAtOnce = 16
    /// On a disk that is almost full some writes work and some don't: that is one failure, not hundreds.
    private static let failureLastsAtLeast = Duration.seconds(10)

    /// A way out with what the daemon has to do about it.
    private final class Way {
        let sink: OutputSink
        /// Streams that have more to say than goes out now, in the order in which they go on.
        var queue: [WorkerStream] = []
        /// When a failure was told, until its end is told.
        var failureToldAt: Instant?

        init(_ sink: OutputSink) { self.sink = sink }
    }

    private let loop: Loop
    private let story: Story
    private let routes: OutputRoutes
    private let redirections = Redirections()
    private let ways: [Way]
    /// The whole lines of one read.
    private var lineBuffer: [UInt8] = []
    /// Counts what was read from workers: the order in which their lines came.
    private var lastReadNumber = 0
    private var news: [WorkerLine] = []
    /// Each slot's last worker that has ended.
    private var ended: [Int: WorkerOutput] = [:]
    /// Set it while somebody follows what workers write: lines are then kept for `takeNews`.
    var isFollowed = false

    /// - Parameter file: opened already, if `mode` names one.
    init(_ mode: OutputMode, file: OutputSink?, _ loop: Loop, _ story: Story) throws(SystemError) {
        self.loop = loop
        self.story = story
        routes = try OutputRoutes(mode, log: story.sink, file: file)
        ways = routes.sinks.map { Way($0) }
    }

    /// Which of a worker's streams pass through the daemon.
    var pipesStandardOutput: Bool { routes.standardOutput != nil }
    var pipesStandardError: Bool { routes.standardError != nil }

    /// Returns the lines that have come since the last call while somebody followed.
    func takeNews() -> [WorkerLine] {
        defer { news.removeAll() }
        return news
    }

    // MARK: workers

    /// - Parameters:
    ///   - output: the daemon's end of the pipe that is the worker's standard output; nil: it has none of the daemon's.
    ///   - errors: the same for its standard error.
    func begin(_ worker: WorkerOutput, _ output: Channel?, _ errors: Channel?) {
        let tag = routes.mode == .prefix ? OutputRoutes.tag(slot: worker.slot, pid: worker.pid) : nil
        for (kind, pipe) in [(WorkerStream.Kind.standardOutput, output), (.standardError, errors)] {
            guard let pipe, let sink = routes.sink(of: kind) else { continue }
            worker.add(WorkerStream(kind, of: worker, pipe, to: sink, tag: tag, story))
        }
    }

    func read(_ stream: WorkerStream) throws(SystemError) {
        if stream.sink.isWaiting {
            // Not just without interest: the kernel would go on to report a pipe that was closed.
            try loop.unwatch(stream.pipe)
            way(of: stream)?.queue.append(stream)
            return
        }
        if try readOnce(stream) == .reached { try close(stream) }
    }

    /// What is left when the worker is gone can't wait in its pipe, which nobody else keeps.
    func readLastWords(of worker: WorkerOutput) throws(SystemError) {
        for stream in worker.streams {
            for _ in 0..<Self.lastTurns where try readOnce(stream) != .more { break }
            try close(stream)
        }
    }

    /// What the worker has left behind may have more to say.
    func readWordsSoFar(of worker: WorkerOutput) throws(SystemError) {
        for stream in worker.streams where stream.pipe.token != nil { try read(stream) }
    }

    /// Nothing is left of the worker; its last words are kept until the slot's next one ends.
    func keepEnded(_ worker: WorkerOutput) { ended[worker.slot] = worker }

    /// The slot is gone.
    func forget(slot: Int) { ended[slot] = nil }

    /// The last lines of workers, in the order in which they came; if there are many workers, the last few lines of each.
    ///
    /// - Parameters:
    ///   - slot: nil: of all slots.
    ///   - alive: workers that have not ended.
    func lastLines(of slot: Int?, _ alive: [WorkerOutput], atMost linesMax: Int) -> [WorkerLine] {
        func isAsked(_ worker: WorkerOutput) -> Bool { slot == nil || slot == worker.slot }
        let workers = ended.values.filter(isAsked).map { ($0, false) } + alive.filter(isAsked).map { ($0, true) }
        let each = max(1, linesMax / max(1, workers.count))
        let lines = workers.flatMap { worker, isAlive in
            worker.lines.last(each).map { WorkerLine(worker, $0, isAlive: isAlive) }
        }
        return lines.sorted { $0.line.number < $1.line.number }
    }

    /// Tells why a worker failed in its own last words. What stands above in the log is not said twice, but to those who only
    /// hear of events.
    ///
    /// - Parameter fromStart: with the lines that it wrote first.
    func tellWords(of worker: WorkerOutput, fromStart: Bool) {
        if routes.standardError == nil {
            story.tell(
                LogRecord(
                    .info, "words_not_kept",
                    "what the worker said last is not kept with --output inherit: it is wherever standard error goes "
                        + "(relay, prefix and file:PATH keep it)"))
            return
        }
        let stream = worker.lines.isEmpty(.standardError) ? WorkerStream.Kind.standardOutput : .standardError
        for text in worker.lines.all(of: [stream], fromStart: fromStart).excerpt.flatMap({ [$0].texts }) {
            let record = LogRecord(
                .error, "worker_said", text,
                [
                    ("slot", .number(worker.slot)), ("generation", .number(worker.generation)),
                    ("pid", .number(Int(worker.pid))), ("stream", .text(stream.name)),
                ])
            if routes.endsInLog(stream) { story.note(record) } else { story.tell(record) }
        }
    }

    private func readOnce(_ stream: WorkerStream) throws(SystemError) -> Loop.End {
        try loop.read(stream.pipe) { bytes in
            keepLines(bytes, stream)
            stream.pass(bytes, &lineBuffer)
        }
    }

    private func keepLines(_ bytes: UnsafeRawBufferPointer, _ stream: WorkerStream) {
        lastReadNumber += 1
        let worker = stream.worker
        let lines = worker.keep(bytes, of: stream.kind, at: WallClock.now(), number: lastReadNumber)
        if lines == 0 || !isFollowed { return }
        news += worker.lines.whole(lines, of: stream.kind).map { WorkerLine(worker, $0, isAlive: true) }
    }

    private func close(_ stream: WorkerStream) throws(SystemError) {
        stream.finish()
        try loop.unwatch(stream.pipe)
        way(of: stream)?.queue.removeAll { $0 === stream }
        stream.worker.remove(stream)
    }

    private func way(of stream: WorkerStream) -> Way? { ways.first { $0.sink === stream.sink } }

    // MARK: the ways out

    func flush(_ sink: OutputSink) {
        if sink === story.sink { story.flush() } else { sink.flush() }
    }

    /// At the end of each turn: streams that wait go on if there is room, and a sink is watched only while it is full.
    func endTurn() throws(SystemError) {
        for way in ways {
            try goOn(way)
            tellLosses(way)
            let sink = way.sink
            let isWatched = sink.channel.token != nil
            if sink.isWaiting == isWatched { continue }
            if isWatched {
                try loop.unwatch(sink.channel)
            } else {
                try loop.watch(sink.channel, .output(sink), .writable)
            }
        }
    }

    private func goOn(_ way: Way) throws(SystemError) {
        var turns = 0
        while !way.sink.isWaiting, !way.queue.isEmpty {
            let stream = way.queue.removeFirst()
            try loop.watch(stream.pipe, .stream(stream))
            turns += 1
            if turns <= Self.streamsAtOnce { try read(stream) }
        }
    }

    /// A full disk is told once, and when there is room again, how much was lost.
    private func tellLosses(_ way: Way) {
        let sink = way.sink
        if let failure = sink.failure {
            if way.failureToldAt != nil { return }
            way.failureToldAt = MonotonicClock.now()
            story.tell(
                LogRecord(
                    .error, "output_failed",
                    "cannot write to \(sink.destination.name): \(failure.reason): output is lost until that works again",
                    [("to", .text(sink.destination.name))]))
        } else if !sink.isWaiting {
            tellDroppedLines(sink)
            if let told = way.failureToldAt, MonotonicClock.now() - told < Self.failureLastsAtLeast { return }
            way.failureToldAt = nil
            tellLostBytes(sink)
        }
    }

    private func tellLostBytes(_ sink: OutputSink) {
        let bytes = sink.takeLostBytes()
        if bytes == 0 { return }
        story.tell(
            LogRecord(
                .warning, "output_lost", "some output to \(sink.destination.name) was lost",
                [("to", .text(sink.destination.name)), ("bytes", .number(bytes))]))
    }

    /// Lines of the log that were dropped are told by the log.
    private func tellDroppedLines(_ sink: OutputSink) {
        let lines = sink === story.sink ? 0 : sink.takeDroppedLines()
        if lines == 0 { return }
        story.tell(
            LogRecord(
                .warning, "output_dropped",
                "\(sink.destination.name) was blocked: lines of workers that have ended are lost",
                [("to", .text(sink.destination.name)), ("lines", .number(lines))]))
    }

    /// The end: a reader that is slow still gets all, one that has stopped is not waited for.
    func end() {
        for way in ways.reversed() {
            way.sink.drain()
            tellDroppedLines(way.sink)
            tellLostBytes(way.sink)
        }
        story.finish()
    }

    // MARK: rotation

    /// Opens the files again under their names, which a rotation has given away.
    ///
    /// - Parameter strangers: users who must not be able to put another file in their places.
    func reopenFiles(closedTo strangers: [Stranger]) {
        var failures: [SystemError] = []
        var paths = redirections.reopen(closedTo: strangers) { failures.append($0) }
        for way in ways {
            do throws(SystemError) {
                try loop.unwatch(way.sink.channel)
                try way.sink.reopen(closedTo: strangers)
                way.failureToldAt = nil
                if case .file(let path) = way.sink.destination { paths.append(path) }
            } catch { failures.append(error) }
            flush(way.sink)
        }
        for failure in failures {
            story.tell(
                LogRecord(
                    .error, "logs_not_reopened",
                    "cannot reopen a log file, which goes on as it is: \(failure.subject): \(failure.reason)"))
        }
        if paths.isEmpty && !failures.isEmpty { return }
        let message = paths.isEmpty ? "no log files to reopen" : "log files reopened"
        story.tell(LogRecord(.info, "logs_reopened", message, paths.map { ("file", .text($0)) }))
    }
}
