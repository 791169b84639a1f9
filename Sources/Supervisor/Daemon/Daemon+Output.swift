// What workers write: from their pipes to where --output says. Each is read in turns, and while a way out is full, those
// who have more for it wait in line: one that floods it slows itself only.
internal import Glibc
internal import Reloader

extension Daemon {
    /// When a worker is gone, at most this much is still read of what it left in each pipe: what a pipe holds.
    private static let lastTurns = 16
    /// Streams that go on as soon as there is room again; the others are heard in the loop's next turn.
    private static let streamsAtOnce = 16
    /// On a disk that is almost full some writes work and some don't: that is one failure, not hundreds.
    private static let failureLastsAtLeast = Duration.seconds(10)

    func readStream(_ stream: WorkerStream, of worker: WorkerProcess) throws(SystemError) {
        if stream.sink.isWaiting {
            // Not just without interest: the kernel would go on to report a pipe that was closed.
            try loop.unwatch(stream.pipe)
            stream.sink.queue.append(stream)
            return
        }
        if try read(stream, of: worker) == .reached { try close(stream, of: worker) }
    }

    /// What is left when the worker is gone can't wait in its pipe, which nobody else keeps.
    func readLastWords(of worker: WorkerProcess) throws(SystemError) {
        for stream in worker.streams {
            for _ in 0..<Self.lastTurns where try read(stream, of: worker) != .more { break }
            try close(stream, of: worker)
        }
    }

    /// What it has left may have more to say.
    func readWordsSoFar(of worker: WorkerProcess) throws(SystemError) {
        for stream in worker.streams where stream.pipe.token != nil { try readStream(stream, of: worker) }
    }

    private func read(_ stream: WorkerStream, of worker: WorkerProcess) throws(SystemError) -> Loop.End {
        try loop.read(stream.pipe) { bytes in
            keepLines(bytes, of: worker, stream.kind)
            stream.pass(bytes, &lineBuffer)
        }
    }

    private func keepLines(_ bytes: UnsafeRawBufferPointer, of worker: WorkerProcess, _ stream: WorkerStream.Kind) {
        lastReadNumber += 1
        let lines = worker.lines.append(bytes, to: stream, at: WallClock.now(), lastReadNumber)
        if lines > 0 && control.hasLogFollowers { control.hear(worker.lines.whole(lines, of: stream), of: worker) }
    }

    private func close(_ stream: WorkerStream, of worker: WorkerProcess) throws(SystemError) {
        stream.finish()
        try loop.unwatch(stream.pipe)
        stream.sink.queue.removeAll { $0 === stream }
        worker.streams.removeAll { $0 === stream }
    }

    // MARK: the ways out

    func flush(_ sink: OutputSink) {
        if sink === story.sink { story.flush() } else { sink.flush() }
    }

    /// At the end of each turn: who waits may go on where there is room, and a sink is watched only while it is full.
    func watchSinks() throws(SystemError) {
        for sink in roads.sinks {
            try goOn(sink)
            tellLosses(sink)
            let isWatched = sink.channel.token != nil
            if sink.isWaiting == isWatched { continue }
            if isWatched {
                try loop.unwatch(sink.channel)
            } else {
                try loop.watch(sink.channel, .output(sink), .writable)
            }
        }
    }

    private func goOn(_ sink: OutputSink) throws(SystemError) {
        var turns = 0
        while !sink.isWaiting, !sink.queue.isEmpty {
            let stream = sink.queue.removeFirst()
            guard let worker = workers[stream.worker] else { continue }
            try loop.watch(stream.pipe, .stream(stream, of: worker))
            turns += 1
            if turns <= Self.streamsAtOnce { try readStream(stream, of: worker) }
        }
    }

    /// A full disk is told once, and when there is room again, how much was lost.
    private func tellLosses(_ sink: OutputSink) {
        if let failure = sink.failure {
            if sink.failureToldAt != nil { return }
            sink.failureToldAt = MonotonicClock.now()
            story.tell(
                LogRecord(
                    .error, "output_failed",
                    "cannot write to \(sink.destination.name): \(failure.reason): output is lost until that works again",
                    [("to", .text(sink.destination.name))]))
        } else if !sink.isWaiting {
            tellDroppedLines(sink)
            if let told = sink.failureToldAt, MonotonicClock.now() - told < Self.failureLastsAtLeast { return }
            sink.failureToldAt = nil
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

    /// Those of the log are told by the log.
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
    func endOutput() {
        for sink in roads.sinks.reversed() {
            sink.drain()
            tellDroppedLines(sink)
            tellLostBytes(sink)
        }
        story.finish()
    }

    // MARK: rotation

    func reopenLogFiles() {
        var failures: [SystemError] = []
        var paths = redirections.reopen { failures.append($0) }
        for sink in roads.sinks {
            do throws(SystemError) {
                try loop.unwatch(sink.channel)
                try sink.reopen()
                if case .file(let path) = sink.destination { paths.append(path) }
            } catch { failures.append(error) }
            flush(sink)
        }
        for failure in failures {
            story.tell(
                LogRecord(
                    .error, "logs_not_reopened",
                    "cannot reopen a log file, which goes on where it is: \(failure.subject): \(failure.reason)"))
        }
        if paths.isEmpty && !failures.isEmpty { return }
        let message = paths.isEmpty ? "no log files to reopen" : "log files are open anew"
        story.tell(LogRecord(.info, "logs_reopened", message, paths.map { ("file", .text($0)) }))
    }
}
