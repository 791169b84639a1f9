// Where the output of workers goes, and which files of the daemon's own are opened again when logs are rotated.
internal import Glibc
internal import Reloader

/// Where the output of workers goes, as --output says. Fixed for the daemon's life.
struct OutputRoutes {
    let mode: OutputMode
    /// nil if workers write to the daemon's own descriptor. The same for `standardError`.
    let standardOutput: OutputSink?
    let standardError: OutputSink?
    /// All sinks that the daemon writes to; the log's own is the first.
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
            // With 2>&1 both are the same place, where lines of one must not tear lines of the other.
            standardOutput = Self.areSame(1, 2) ? log : try OutputSink(.standardOutput)
            standardError = log
        }
        let others = [standardOutput].compactMap { $0 }.filter { $0 !== log }
        sinks = [log] + others
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let mode: OutputMode
        /// All but the log's.
        let sinks: [OutputSink.State]
        /// Places among all sinks; the log's own is 0.
        let standardOutput: Int?
        let standardError: Int?
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        let others = sinks.dropFirst().map { $0.state(&descriptors) }
        func place(_ sink: OutputSink?) -> Int? { sinks.firstIndex { $0 === sink } }
        return State(
            mode: mode, sinks: others, standardOutput: place(standardOutput), standardError: place(standardError))
    }

    init(_ state: State, of key: String, in rows: StateRows, log: OutputSink) throws(StateError) {
        mode = state.mode
        var sinks = [log]
        for sink in state.sinks { sinks.append(try OutputSink(sink, of: key, in: rows)) }
        let places = [state.standardOutput, state.standardError].compactMap { $0 }
        guard places.allSatisfy(sinks.indices.contains) else { throw .malformed("where output goes") }
        standardOutput = state.standardOutput.map { sinks[$0] }
        standardError = state.standardError.map { sinks[$0] }
        self.sinks = sinks
    }

    // MARK: ways

    /// Whether this stream of a worker goes to the same place as the log.
    func endsInLog(_ stream: WorkerStream.Kind) -> Bool { sink(of: stream) === sinks.first }

    func sink(of stream: WorkerStream.Kind) -> OutputSink? {
        switch stream {
        case .standardOutput: standardOutput
        case .standardError: standardError
        }
    }

    /// The text that says whose a line is.
    static func tag(slot: Int, pid: Int32) -> String { "[slot \(slot) pid \(pid)] " }

    private static func areSame(_ one: Int32, _ other: Int32) -> Bool {
        var (first, second) = (stat(), stat())
        guard fstat(one, &first) == 0, fstat(other, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }
}

/// The files that standard output and standard error led to when the daemon started. For the rotation of logs of a
/// daemon that was started with `>app.log 2>&1`: SIGUSR1 opens the same paths again.
struct Redirections: Codable {
    private let files: [File]

    private struct File: Codable {
        let number: Int32
        let path: String
    }

    init() {
        files = [Int32(1), 2].compactMap { number in
            var status = stat()
            // A file that was removed has no name by which it could be opened again.
            guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink > 0 else {
                return nil
            }
            return pathOfDescriptor(number).map { File(number: number, path: $0) }
        }
    }

    /// Replaces the old files with freshly opened ones, under the same descriptor numbers; returns their paths.
    ///
    /// - Parameters:
    ///   - strangers: users who must not be able to put another file in its place.
    ///   - tell: called for each file that can't be opened; its descriptor stays as it was.
    func reopen(closedTo strangers: [Stranger], failing tell: (SystemError) -> Void) -> [String] {
        files.compactMap { file in
            do throws(SystemError) {
                try Self.reopen(file, strangers)
                return file.path
            } catch {
                tell(error)
                return nil
            }
        }
    }

    private static func reopen(_ file: File, _ strangers: [Stranger]) throws(SystemError) {
        let new = try SafeFile.appending(to: file.path, closedTo: strangers)
        let source = new.number
        // Workers may have inherited this descriptor and expect that it blocks.
        let flags = try checked("fcntl", file.path) { fcntl(source, F_GETFL) }
        try checked("fcntl", file.path) { fcntl(source, F_SETFL, flags & ~O_NONBLOCK) }
        try checked("dup2", file.path) { dup2(source, file.number) }
    }
}
