// Carries what workers write from their pipes to where --output says. Streams are read in turns, and while a
// destination is full, streams that have more for it wait in a queue: a worker that floods slows down only itself. Also
// keeps the workers' last lines, and rotates log files.
internal import Glibc
internal import Reloader

final class Output {
    /// How many reads empty each pipe of a worker that has ended, at most: as much as a pipe holds.
    private static let lastTurns = 16
    /// How many waiting streams are read as soon as there is room again; the others are read in the loop's next turn.
    private static let streamsAtOnce = 16
    /// On a disk that is almost full some writes work and some don't: that counts as one failure, not as hundreds.
    private static let failureLastsAtLeast = Duration.seconds(10)

    /// A destination, and what the daemon has to do about it.
    private final class Way {
        let sink: OutputSink
        /// Streams that have more than can be written now, in the order in which they will be read on.
        var queue: [WorkerStream] = []
        /// When a failure was logged; nil once its end is settled.
        var failureToldAt: Instant?

        init(_ sink: OutputSink) { self.sink = sink }
    }

    private let loop: Loop
    private let story: Story
    private let routes: OutputRoutes
    private let redirections: Redirections
    private let ways: [Way]
    /// Scratch space for the whole lines of one read.
    private var lineBuffer: [UInt8] = []
    /// Counts the reads from workers, which gives the order in which their lines came.
    private var lastReadNumber = 0
    private var news: [WorkerLine] = []
    /// The last worker of each slot that has ended.
    private var ended: [Int: WorkerOutput] = [:]
    private var isFollowed = false

    /// - Parameter file: opened already, if `mode` names one.
    init(_ mode: OutputMode, file: OutputSink?, _ loop: Loop, _ story: Story) throws(SystemError) {
        self.loop = loop
        self.story = story
        redirections = Redirections()
        routes = try OutputRoutes(mode, log: story.sink, file: file)
        ways = routes.sinks.map { Way($0) }
    }

    // MARK: for the daemon that comes next

    static let key = "output"

    private struct State: Codable {
        let routes: OutputRoutes.State
        let redirections: Redirections
        let lastReadNumber: Int
        let ended: [WorkerOutput.State]
    }

    func row() throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let state = State(
            routes: routes.state(&descriptors), redirections: redirections, lastReadNumber: lastReadNumber,
            ended: ended.values.map { $0.state(&descriptors) })
        return try StateRow(Self.key, state, descriptors)
    }

    init(_ rows: StateRows, _ loop: Loop, _ story: Story) throws(StateError) {
        let state = try rows.value(State.self, Self.key)
        self.loop = loop
        self.story = story
        redirections = state.redirections
        routes = try OutputRoutes(state.routes, of: Self.key, in: rows, log: story.sink)
        ways = routes.sinks.map { Way($0) }
        lastReadNumber = max(0, state.lastReadNumber)
        for worker in state.ended { ended[worker.slot] = try WorkerOutput(worker) }
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try rows.value(State.self, key) }

    /// A worker's output as it was, with its streams, which the loop does not watch yet.
    ///
    /// - Parameter key: the row that has the streams' descriptors.
    func restored(_ state: WorkerOutput.State, of key: String, in rows: StateRows) throws(StateError) -> WorkerOutput {
        let worker = try WorkerOutput(state)
        for stream in state.streams {
            guard let sink = routes.sink(of: stream.kind) else { throw .malformed("a stream that leads nowhere") }
            let pipe = try rows.descriptor(stream.pipe, of: key, from: FileDescriptor.upperNumbers)
            worker.add(WorkerStream(stream, of: worker, pipe, to: sink, story))
        }
        return worker
    }

    /// Whether a worker's standard output passes through the daemon; below, the same for standard error.
    var pipesStandardOutput: Bool { routes.standardOutput != nil }
    var pipesStandardError: Bool { routes.standardError != nil }

    /// Keeps lines for `takeNews` from now on, or no longer.
    func keepNews(while isFollowed: Bool) { self.isFollowed = isFollowed }

    /// Returns the lines since the last call that came while a client followed.
    func takeNews() -> [WorkerLine] {
        defer { news.removeAll() }
        return news
    }

    // MARK: workers

    /// - Parameters:
    ///   - output: the daemon's end of the pipe that is the worker's standard output; nil if there is no such pipe.
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
            // Watching the pipe for no events is not enough: the kernel would still report that it was closed.
            try loop.unwatch(stream.pipe)
            way(of: stream)?.queue.append(stream)
            return
        }
        if try readOnce(stream) == .reached { try close(stream) }
    }

    /// Reads what the worker has left in its pipes, and closes them: nobody else keeps these pipes.
    func readLastWords(of worker: WorkerOutput) throws(SystemError) {
        for stream in worker.streams {
            for _ in 0..<Self.lastTurns where try readOnce(stream) != .more { break }
            try close(stream)
        }
    }

    /// Reads once what the worker has written. The pipes stay open: processes that it has left behind may write more.
    func readWordsSoFar(of worker: WorkerOutput) throws(SystemError) {
        for stream in worker.streams where stream.pipe.token != nil { try read(stream) }
    }

    /// Keeps the last words of a worker of which nothing is left, until the slot's next worker ends.
    func keepEnded(_ worker: WorkerOutput) { ended[worker.slot] = worker }

    /// Call it when the slot was removed.
    func forget(slot: Int) { ended[slot] = nil }

    /// The last lines of workers, in the order in which they came. If there are many workers, each has only a few of
    /// them.
    ///
    /// - Parameters:
    ///   - slot: the slot of these workers; nil for all slots.
    ///   - alive: the workers that have not ended.
    func lastLines(of slot: Int?, _ alive: [WorkerOutput], atMost linesMax: Int) -> [WorkerLine] {
        func isAsked(_ worker: WorkerOutput) -> Bool { slot == nil || slot == worker.slot }
        let workers = ended.values.filter(isAsked).map { ($0, false) } + alive.filter(isAsked).map { ($0, true) }
        let each = max(1, linesMax / max(1, workers.count))
        let lines = workers.flatMap { worker, isAlive in
            worker.lines.last(each).map { WorkerLine(worker, $0, isAlive: isAlive) }
        }
        return lines.sorted { $0.line.number < $1.line.number }
    }

    /// Reports the last words of a worker that has failed. If the log already has them, they are not logged again, and
    /// only those who follow events get them.
    ///
    /// - Parameter fromStart: includes the lines that the worker wrote first.
    func tellWords(of worker: WorkerOutput, fromStart: Bool) {
        if routes.standardError == nil {
            story.tell(
                LogRecord(
                    .info, "words_not_kept",
                    "the worker's last words are not kept with --output inherit: they went wherever "
                        + "standard error goes (relay, prefix and file:PATH keep them)"))
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

    /// Call it at the end of each turn: reads streams that wait if there is room again, and watches a sink only while
    /// it is full.
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

    /// Logs a failure (a full disk, say) once, and how much was lost when writing works again.
    private func tellLosses(_ way: Way) {
        let sink = way.sink
        if let failure = sink.failure {
            if way.failureToldAt != nil { return }
            way.failureToldAt = MonotonicClock.now()
            story.tell(
                LogRecord(
                    .error, "output_failed",
                    "cannot write to \(sink.destination.name): \(failure.reason): "
                        + "output is lost until writing works again",
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

    /// Logs how many lines were dropped; for the log's own sink, the story does that itself.
    private func tellDroppedLines(_ sink: OutputSink) {
        let lines = sink === story.sink ? 0 : sink.takeDroppedLines()
        if lines == 0 { return }
        story.tell(
            LogRecord(
                .warning, "output_dropped",
                "\(sink.destination.name) was blocked: lines from workers that have ended were lost",
                [("to", .text(sink.destination.name)), ("lines", .number(lines))]))
    }

    /// Writes what waits, at the daemon's end: a slow reader still gets everything, a reader that has stopped is not
    /// waited for.
    func end() {
        for way in ways.reversed() {
            way.sink.drain()
            tellDroppedLines(way.sink)
            tellLostBytes(way.sink)
        }
        story.finish()
    }

    // MARK: rotation

    /// Opens the files again by their names, after a rotation has renamed them.
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
                    "cannot reopen a log file, and still writes to the old one: \(failure.subject): \(failure.reason)"))
        }
        if paths.isEmpty && !failures.isEmpty { return }
        let message = paths.isEmpty ? "no log files to reopen" : "log files reopened"
        story.tell(LogRecord(.info, "logs_reopened", message, paths.map { ("file", .text($0)) }))
    }
}
