// Where what workers write goes, as --output says.
internal import Glibc

/// Fixed for the daemon's life.
struct OutputRoutes {
    let mode: OutputMode
    /// nil: workers write to the daemon's own descriptor.
    let standardOutput: OutputSink?
    let standardError: OutputSink?
    /// All that the daemon writes to, its log's own first.
    let sinks: [OutputSink]

    /// - Parameters:
    ///   - log: where the log goes.
    ///   - file: opened already, if `mode` names one.
    init(_ mode: OutputMode, log: OutputSink, file: OutputSink?) throws(SystemError) {
        self.mode = mode
        switch mode {
        case .inherit: (standardOutput, standardError) = (nil, nil)
        case .file: (standardOutput, standardError) = (file, file)
        case .relay, .prefix:
            // With 2>&1 both are one way out, where lines must not be torn by each other.
            standardOutput = Self.areSame(1, 2) ? log : try OutputSink(.standardOutput)
            standardError = log
        }
        let others = [standardOutput].compactMap { $0 }.filter { $0 !== log }
        sinks = [log] + others
    }

    /// What a worker writes to this stream stands where the log does.
    func endsInLog(_ stream: WorkerStream.Kind) -> Bool { sink(of: stream) === sinks.first }

    func sink(of stream: WorkerStream.Kind) -> OutputSink? {
        switch stream {
        case .standardOutput: standardOutput
        case .standardError: standardError
        }
    }

    /// Says whose a line is.
    static func tag(slot: Int, pid: Int32) -> String { "[slot \(slot) pid \(pid)] " }

    private static func areSame(_ one: Int32, _ other: Int32) -> Bool {
        var (first, second) = (stat(), stat())
        guard fstat(one, &first) == 0, fstat(other, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }
}
