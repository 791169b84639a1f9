// What the manual says in numbers, names and examples is what the program has.
import Foundation
import Glibc
import Testing

@testable import Reloader
@testable import Supervisor
@testable import reloaderd

@Suite struct ManualTests {
    private static func lines() throws -> [String] {
        try String(contentsOfFile: "\(Products.package)/man/reloaderd.8", encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// In one line, without the macros at the beginnings of lines.
    private static func text() throws -> String {
        try lines().map { line in
            guard line.hasPrefix("."), let blank = line.firstIndex(of: " ") else { return line }
            return String(line[line.index(after: blank)...])
        }.joined(separator: " ")
    }

    /// The words of the lines of a section that begin with a macro, which is left out.
    private static func examples(_ start: String, in section: String? = nil) throws -> [[String]] {
        var lines = try lines()[...]
        if let section {
            lines = lines.drop { $0 != ".Sh \(section)" }.dropFirst().prefix { !$0.hasPrefix(".Sh ") }
        }
        return lines.filter { $0.hasPrefix(start) }.map { line in
            line.dropFirst(start.count).split(separator: " ").map(String.init)
        }
    }

    private static let words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]

    private static func seconds(_ duration: Duration) -> Int { Int(duration.components.seconds) }

    private static func milliseconds(_ duration: Duration) -> Int { Int(duration / .milliseconds(1)) }

    /// Each part of a sentence with the constant that it speaks of.
    private static let numbers: [String] = [
        // Options
        "How many workers, at most \(ControlLimits.workers.upperBound).",
        "at most \(seconds(Duration.configurableMax) / 86_400)d.",
        "a path of at most \(MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1) bytes",
        "until a worker accepts them, \(Bounds.backlog.lowerBound) to \(Bounds.backlog.upperBound).",
        "\(milliseconds(Bounds.drainIdle.lowerBound))ms to \(seconds(Bounds.drainIdle.upperBound) / 86_400)d.",
        "At least \(milliseconds(Bounds.watchdogMin))ms.",
        "At least \(seconds(Bounds.maxAgeMin))s;", "At least \(Bounds.maxMemoryMin >> 20)M.",
        "do not get, 0 to \(String(Bounds.umaskMax, radix: 8)).",
        "The nice value, \\\(Bounds.nice.lowerBound) to \(Bounds.nice.upperBound).",
        "up to \(Bounds.nameBytesMax) letters, digits",
        "\(milliseconds(Bounds.onEventTimeout.lowerBound))ms to \(seconds(Bounds.onEventTimeout.upperBound) / 3600)h.",
        "\(ControlLimits.noteScalarsMax) characters", "only, at most \(ControlLimits.historyEntries.upperBound).",
        "the daemon's log, at most \(RecentRecords.recordsMax).",
        "within \(seconds(Policy.memoryYouth) == 60 ? "a minute" : "?") of being ready",
        "for up to \(seconds(Policy.memoryBackoffBase) == 60 ? "a minute" : "?"), the next one for up to two minutes",
        "and so on up to \(seconds(Policy.memoryBackoffCap) == 3600 ? "an hour" : "?").",
        // Starts
        "not ready after \(words[seconds(StartTrouble.slowStart)]) seconds",
        "its start is tried again for \(seconds(Starts.writersPatience)) seconds",
        "to start or to finish, \(seconds(Worker.extensionMax) == 3600 ? "an hour" : "?") at most in all",
        // Ports
        "More than \(PortSharing.boundMax) sockets of one worker", "Beyond \(PortSharing.copiesMax) listening sockets",
        "within \(words[seconds(SharedSockets.takeoverPatience)]) seconds, they are reset",
        "waited in a queue for \(seconds(Ports.queuePatience) == 1 ? "a second" : "?")",
        // Drains
        "nothing left for \(milliseconds(Emptying.settle)) milliseconds",
        "are waited for as well, for \(seconds(Handshakes.patience)) seconds at most",
        "names the \(words[Emptying.holdersShown]) connections",
        "\(seconds(EmptyingTerms.patience)) seconds of silence in a reload",
        "or \(seconds(EmptyingTerms.patienceInStop)) second if the pool stops",
        "closed after \(seconds(EmptyingTerms.patienceWithUnused)) seconds, or "
            + "\(seconds(EmptyingTerms.patienceInStop)) if",
        "\(EmptyingTerms.streamFactor) times as long for a stream",
        "after a pause of \(ConnectionHistory.pause) milliseconds or more",
        "if \(EmptyingTerms.turnsEnough) questions were seen",
        // Output
        "the first \(LastLines.firstLinesMax) lines", "\(LastLines.lineBytesMax) bytes of each",
        "as many as \(LastLines.bytesMax >> 10) KiB hold, but no more than \(LastLines.linesMax).",
        "longer than \(TaggedLines.lineBytesMax >> 10) KiB goes on in the next one",
        "longer than \(WholeLines.heldBytesMax >> 10) KiB may be interrupted",
        "\(OutputSink.waitingBytesMax >> 10) KiB of them are kept",
        // Hooks
        "at most \(HookQueue.runningMax) run at once, at most \(HookQueue.waitingMax) events wait",
        "hooks have \(words[seconds(HookQueue.lastMoment)]) more second",
        // Signals
        "within \(milliseconds(Policy.sameStop) == 500 ? "half a second" : "?") of the first",
        "missed by \(seconds(PoolClock.longSleep) == 1 ? "a second" : "?") or more",
    ]

    @Test(arguments: numbers) func numbersAreThoseOfTheProgram(_ words: String) throws {
        #expect(try Self.text().contains(words))
    }

    /// The log has the words that the manual says it has, as far as they have an underscore.
    @Test func eventsAreThoseOfTheProgram() throws {
        let named =
            try Self.examples(".Ql ").compactMap { $0.first }
            + Self.examples(".Pq Ql ").compactMap { $0.first }
        let events = Set(named.filter { $0.contains("_") && $0.allSatisfy { $0 == "_" || $0.isLowercase } })
            .subtracting(["keepalive_time"])  // nginx's
        #expect(events.count > 20)
        let folder = "\(Products.package)/Sources"
        let files = try #require(FileManager.default.enumerator(atPath: folder)).compactMap { $0 as? String }
        let sources = try files.filter { $0.hasSuffix(".swift") }.map {
            try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)
        }.joined()
        let unknown = events.filter { !sources.contains("\"\($0)\"") }
        #expect(unknown.isEmpty)
    }

    /// Each command line among the examples is one that is understood; verbs would ask a daemon.
    @Test func examplesAreUnderstood() throws {
        let daemons = try Self.examples(".Dl reloaderd ", in: "EXAMPLES") + Self.examples("reloaderd --")
        #expect(daemons.count >= 10)
        for words in daemons {
            var words = words.filter { $0 != "&" && $0 != "\\e" && $0 != "--check" }
            if words.first == "doctor" { words.removeFirst() }
            words = words.map { $0 == "/etc/web.conf" ? "/dev/null" : $0 }
            #expect(throws: Never.self, "\(words)") { try loadSettings(arguments: words, startDirectory: "/") }
        }
    }

    /// The configuration file of the example is read, to its last line.
    @Test func theConfigurationFileIsUnderstood() throws {
        let lines = try Self.lines().drop { $0 != "# web.conf" }.prefix { $0 != ".Ed" }
        #expect(lines.count == 7)
        let folder = try TestFolder()
        let file = try folder.write("web.conf", lines.joined(separator: "\n"))
        let settings = try loadSettings(arguments: ["--config", file, "./app"], startDirectory: "/").settings
        #expect(settings.listeners.count == 2 && settings.workers == .fixed(4))
        #expect(settings.program.workingDirectory == "/srv/web/current" && settings.program.environment.count == 1)
    }

    /// Neither quotes nor comments: what stands in a line is the value.
    @Test func aValueInTheConfigurationFileIsTheRestOfItsLine() throws {
        let folder = try TestFolder()
        let file = try folder.write("conf", "  # a comment\n\nenv   A='x  y' # no comment  \n")
        let settings = try loadSettings(arguments: ["--config", file, "./app"], startDirectory: "/").settings
        #expect(settings.program.environment.map(\.value) == ["'x  y' # no comment"])
    }

    /// What needs a restart, and which limits there are, in no particular order.
    @Test func listsAreComplete() throws {
        func list(after start: String, _ count: Int) throws -> Set<String> {
            let lines = try Self.lines().drop { $0 != start }.dropFirst().prefix(count).filter {
                $0.hasPrefix(".") || $0 == "and"
            }
            return Set(lines.flatMap { $0.split(separator: " ").map(String.init) }).subtracting([
                ".Cm", ",", ".", "and",
            ])
        }
        func settings(_ words: String...) throws -> Settings {
            try loadSettings(arguments: words + ["./app"], startDirectory: "/").settings
        }
        var changed = try settings(
            "--listen", "8081", "--backlog", "5", "--balance", "slot", "--name", "b", "--pid-file", "p", "--output",
            "prefix", "--log-format", "json", "--control", "none", "--control-group", "0")
        var needsRestart = changed.keepForLife(of: Settings())
        changed = try settings("--no-share=80", "--share", "udp")
        needsRestart += changed.keepForLife(of: Settings())
        #expect(try list(after: "Changes to", 3) == Set(needsRestart))
        let limits = try Self.lines().drop { $0 != ".It Fl -rlimit Ar NAME=SOFT[:HARD]" }.prefix {
            !$0.hasPrefix("Memory")
        }
        .joined(separator: " ")
        let words = limits.split { $0 == " " || $0 == "," || $0 == "." }.drop { $0 != "of" }.map(String.init)
        #expect(Set(words).isSuperset(of: ResourceLimit.names) && ResourceLimit.names.count == 16)
    }

    /// The messages are those that DIAGNOSTICS shows.
    @Test func diagnosticsAreThoseOfTheProgram() throws {
        let folder = try TestFolder()
        let file = try folder.write("web.conf", "\n\nworkers 0\n")
        let shown = try Self.lines().filter { $0.hasPrefix("reloaderd: ") }
        #expect(shown.count == 3)
        let said = try [["--wrokers", "4"], ["--config", file], ["--user", "no-such-user-web"]].map {
            try CommandRun.reloaderd($0 + ["/bin/true"]).errors.replacingOccurrences(of: file, with: "/etc/web.conf")
                .replacingOccurrences(of: "no-such-user-web", with: "web")
        }
        for (line, text) in zip(shown, said) { #expect("\(line)\n" == text) }
    }

    /// Each default place, with the environment that decides on it.
    @Test(.enabled(if: Launcher.isRoot, "what is root's is tested here, the rest by other users"))
    func placesOfRoot() throws {
        func places(_ variables: [String: String]) -> ControlPaths {
            var environment = Environment()
            for (name, value) in variables { environment.set(name, to: value) }
            return ControlPaths(Settings(), environment)
        }
        let plain = places(["XDG_RUNTIME_DIR": "/x", "XDG_STATE_HOME": "/y", "HOME": "/z"])
        guard case .folder("/run/reloaderd", _) = plain.socket else {
            Issue.record("\(String(describing: plain.socket))")
            return
        }
        #expect(plain.stateDirectory == "/var/lib/reloaderd")
        let given = places(["RUNTIME_DIRECTORY": "/run/web:/run/other", "STATE_DIRECTORY": "/var/lib/web:/other"])
        guard case .folder("/run/web", _) = given.socket else {
            Issue.record("\(String(describing: given.socket))")
            return
        }
        #expect(given.stateDirectory == "/var/lib/web")
    }

    /// The variable that decides where the history is, and the place that it decides on.
    @Test(
        .enabled(if: Launcher.isRoot, "needs root, to become somebody else"),
        arguments: [
            ("STATE_DIRECTORY", "web.history"), ("XDG_STATE_HOME", "reloaderd/web.history"),
            ("HOME", ".local/state/reloaderd/web.history"),
        ])
    func placesOfOtherUsers(_ variable: String, _ history: String) throws {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        let home = try TestFolder()
        chmod(home.path, 0o777)
        let runtime = variable == "STATE_DIRECTORY" ? "RUNTIME_DIRECTORY" : "XDG_RUNTIME_DIR"
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--no-share", "--name", "web"] + Apps.readyShell,
            environment: ChildProcess.plainEnvironment + ["\(runtime)=\(home.path)", "\(variable)=\(home.path)"],
            under: Launcher.asNobody, executable: copies.daemon, control: nil)
        try daemon.next("pool_ready")
        #expect(home.contains(runtime == "RUNTIME_DIRECTORY" ? "web.sock" : "reloaderd/web.sock"))
        try daemon.endsClean()
        #expect(home.text(of: history).contains("\n"))
    }

    /// What may be found in LISTEN_FDNAMES.
    @Test func namesOfListeners() throws {
        for name in ["a", " ~", String(repeating: "x", count: 255)] {
            #expect(try CommandRun.reloaderd(["--check", "--listen", "\(name)=0", "/bin/true"]).status == 0, "\(name)")
        }
        for name in ["", "a:b", "ä", "\t", String(repeating: "x", count: 256)] {
            #expect(
                try CommandRun.reloaderd(["--check", "--listen", "\(name)=0", "/bin/true"]).status == 64, "\(name)")
        }
    }

    /// The last of two on the command line counts; two in a file are a mistake.
    @Test func whatIsGivenTwice() throws {
        let settings = try loadSettings(
            arguments: ["-w", "2", "--soak", "1s", "-w", "3", "--soak=2s", "./app"], startDirectory: "/"
        ).settings
        #expect(settings.workers == .fixed(3) && settings.policy.soak == .seconds(2))
        let folder = try TestFolder()
        let file = try folder.write("conf", "workers 2\nworkers 3\n")
        #expect(try CommandRun.reloaderd(["--config", file, "/bin/true"]).status == 64)
    }
}
