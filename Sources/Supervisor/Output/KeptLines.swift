// What is kept of the words of one worker: both of its streams, in the order in which their lines came.
internal import Glibc

/// One line of a worker, to be shown.
struct OutputLine {
    let stream: WorkerStream.Kind
    /// When it came, on the wall clock.
    let time: timespec
    let text: String
    /// Of the read that it came with: the order of arrival among all workers.
    let number: Int
    /// Lines before it are left out.
    var isAfterGap = false
}

struct KeptLines {
    /// Stands for lines that are left out where there are only texts.
    static let gap = "[lines are left out here]"

    private var output = LastLines()
    private var errors = LastLines()

    /// Takes what was read; returns how many whole lines were kept of it, or a larger number.
    mutating func append(
        _ bytes: UnsafeRawBufferPointer, to stream: WorkerStream.Kind, at time: timespec, _ number: Int
    ) -> Int {
        switch stream {
        case .standardOutput: output.append(bytes, at: time, number)
        case .standardError: errors.append(bytes, at: time, number)
        }
    }

    /// Nothing was written to this stream.
    func isEmpty(_ stream: WorkerStream.Kind) -> Bool { lines(of: stream).isEmpty }

    /// The last `count` lines that have come to their end.
    func whole(_ count: Int, of stream: WorkerStream.Kind) -> [OutputLine] {
        shown(lines(of: stream).newest(count, unfinishedToo: false), stream)
    }

    /// The last `count` lines of both.
    func last(_ count: Int) -> [OutputLine] {
        let both = WorkerStream.Kind.allCases.flatMap { shown(lines(of: $0).newest(count), $0) }
        return Array(both.inOrder.suffix(count))
    }

    /// All that are kept, of these streams.
    ///
    /// - Parameter fromStart: with those that it wrote first: they explain why it has not come up, and nothing later.
    func all(of streams: [WorkerStream.Kind], fromStart: Bool) -> [OutputLine] {
        streams.flatMap { stream in
            let kept = lines(of: stream)
            return shown(fromStart ? kept.firstAndLast : kept.newest(.max), stream)
        }.inOrder
    }

    private func lines(of stream: WorkerStream.Kind) -> LastLines {
        switch stream {
        case .standardOutput: output.upToDate
        case .standardError: errors.upToDate
        }
    }

    private func shown(
        _ lines: [(line: LastLines.Line, text: String)], _ stream: WorkerStream.Kind
    ) -> [OutputLine] {
        var next: Int?
        return lines.map { line, text in
            defer { next = line.place + 1 }
            return OutputLine(
                stream: stream, time: line.time, text: text, number: line.number,
                isAfterGap: next.map { line.place > $0 } ?? false)
        }
    }
}

extension [OutputLine] {
    /// By arrival; sorting keeps the order of those that came together.
    var inOrder: [OutputLine] { sorted { $0.number < $1.number } }

    /// With a line for each gap.
    var texts: [String] { flatMap { $0.isAfterGap ? [KeptLines.gap, $0.text] : [$0.text] } }

    /// What the log repeats: the first and the last, and of the frames of a stack, which are indented, the first and
    /// the last too, so that the message before them is there however deep it is.
    var excerpt: [OutputLine] {
        leavingOutFrames.leavingOut(after: 16, before: 32)
    }

    private var leavingOutFrames: [OutputLine] {
        var rest = self[...]
        var result: [OutputLine] = []
        while let line = rest.first {
            let run = rest.prefix { $0.isIndented == line.isIndented }
            result += line.isIndented ? Array(run).leavingOut(after: 8, before: 4) : Array(run)
            rest = rest[run.endIndex...]
        }
        return result
    }

    private func leavingOut(after head: Int, before tail: Int) -> [OutputLine] {
        // One line in place of one is no gain.
        if count <= head + tail + 1 { return self }
        var end = Array(suffix(tail))
        end[0].isAfterGap = true
        return prefix(head) + end
    }
}

extension OutputLine {
    fileprivate var isIndented: Bool { text.first == " " || text.first == "\t" }
}
