import Glibc
import Reloader
import Testing

@testable import Supervisor
@testable import reloaderd

/// Command line and config file become settings.
@Suite struct CommandParsingTests {
    private func settings(_ words: String..., file: String? = nil) throws -> Settings {
        let folder = try TestFolder()
        var words = words
        if let file { words = ["--config", try folder.write("test.conf", file)] + words }
        return try loadSettings(arguments: words + ["./app"], startDirectory: "/").settings
    }

    @Test func readsEveryOption() throws {
        let settings = try settings(
            "--workers", "3", "--pin", "--listen", "web=8080", "--listen=unix:/a=b", "-ludp:53", "--backlog", "7",
            "--balance", "slot", "--no-share=8081", "--no-share=[::1]:8082", "--drain", "signal", "--drain-timeout",
            "0",
            "--drain-idle", "20ms", "--ready", "2s",
            "--ready-timeout", "5s", "--surge", "50%", "--soak", "1m", "--stop-signal", "quit", "--stop-timeout", "2h",
            "--backoff", "1s", "--backoff-cap", "2s", "--backoff-reset", "3s", "--give-up", "5/1m", "--watchdog", "10s",
            "-C",
            "/srv", "--env-file", "a", "--env-file", "b", "-e", "A=1=2", "--env", "B=", "--env", "C", "--user", "0:0",
            "--group",
            "7", "--umask", "027", "--rlimit", "nofile=5", "--rlimit", "core=0", "--rlimit", "nofile=6", "--nice", "-5",
            "--name",
            "web", "--pid-file", "p", "--output", "inherit", "--log-format", "json")
        var expected = Settings()
        expected.workers = .fixed(3)
        expected.program.pinsCPUs = true
        expected.listeners = [
            ListenSpec(address: .tcpAny(port: 8080), name: "web"), ListenSpec(address: .unix(path: "/a=b")),
            ListenSpec(address: .udpAny(port: 53)),
        ]
        expected.backlog = 7
        expected.balance = .slot
        expected.unsharedPorts = [
            .tcpAny(port: 8081), .tcp6(address: [UInt8](repeating: 0, count: 15) + [1], scope: 0, port: 8082),
        ]
        expected.drain = .signal
        expected.drainTimeout = .zero
        expected.drainIdle = .milliseconds(20)
        expected.ready = .after(.seconds(2))
        expected.policy.readyTimeout = .seconds(5)
        expected.surge = .percent(50)
        expected.policy.soak = .seconds(60)
        expected.stopSignal = SIGQUIT
        expected.policy.stopTimeout = .seconds(7200)
        expected.policy.backoffBase = .seconds(1)
        expected.policy.backoffCap = .seconds(2)
        expected.policy.backoffReset = .seconds(3)
        expected.policy.giveUp = GiveUp(failures: 5, within: .seconds(60))
        expected.policy.watchdog = .seconds(10)
        expected.program.path = "./app"
        expected.program.workingDirectory = "/srv"
        expected.program.environmentFiles = ["/a", "/b"]
        expected.program.environment = [
            EnvironmentChange(name: "A", value: "1=2"), EnvironmentChange(name: "B", value: ""),
            EnvironmentChange(name: "C", value: nil),
        ]
        let root = try UserDatabase().user(parsing: "0")
        expected.program.user = UserChoice(
            userID: 0, groupID: 7, supplementaryGroups: root.supplementaryGroups, name: root.name, home: root.home)
        expected.program.umask = 0o27
        expected.program.resourceLimits = [
            try ResourceLimit(parsing: "core=0"), try ResourceLimit(parsing: "nofile=6"),
        ]
        expected.program.nice = -5
        expected.name = "web"
        expected.pidFile = "p"
        expected.output = .inherit
        expected.logFormat = .json
        #expect(settings == expected)
    }

    @Test(arguments: [
        ("auto", ReadyChoice.automatic), ("message", .message), ("listen", .listening), ("0", .after(.zero)),
        ("1m30s", .after(.seconds(90))),
    ])
    func readsReady(_ text: String, _ expected: ReadyChoice) throws {
        #expect(try settings("--ready", text, "--ready-timeout", "5m").ready == expected)
    }

    @Test(arguments: [("auto", DrainChoice.automatic), ("signal", .signal), ("outside", .outside)])
    func readsDrain(_ text: String, _ expected: DrainChoice) throws {
        #expect(try settings("--drain", text).drain == expected)
    }

    /// Alone the option takes no port away from the program's words; with an equals sign it names one.
    @Test func readsAValueThatMayBeLeftOut() throws {
        let off = try loadSettings(arguments: ["--no-share", "8080", "81"], startDirectory: "/").settings
        #expect(!off.sharesPorts && off.unsharedPorts.isEmpty)
        #expect(off.program.path == "8080" && off.program.arguments == ["81"])
        let one = try settings("--no-share=127.0.0.1:8080", "--no-share=udp:53", "--share=udp")
        #expect(one.sharesPorts && one.sharesUDP)
        #expect(one.unsharedPorts == [.tcp4(address: 0x7F00_0001, port: 8080), .udpAny(port: 53)])
        let both = try settings("--no-share=8080", "--no-share")
        #expect(!both.sharesPorts && both.unsharedPorts == [.tcpAny(port: 8080)])
    }

    /// A port may be added by a reload; UDP may not.
    @Test func readsPortsThatMayBeBound() throws {
        var both = try settings("--share", "443", "--share=udp", "--share", "53")
        #expect(both.sharesUDP && both.permittedPorts == [53, 443])
        #expect(try settings(file: "share 80").permittedPorts == [80])
        #expect(both.keepForLife(of: Settings()) == ["share"])
        #expect(!both.sharesUDP && both.permittedPorts == [53, 443])
        for wrong in ["0", "65536", "tcp", "-1", "+80", ""] {
            #expect(throws: ConfigurationError.self) { try settings("--share", wrong) }
        }
    }

    @Test func readsItInAFileAsWell() throws {
        #expect(try !settings(file: "no-share").sharesPorts)
        let fromFile = try settings(file: "no-share 8080\nno-share [::]:8081\nshare udp")
        #expect(fromFile.sharesPorts && fromFile.sharesUDP)
        #expect(fromFile.unsharedPorts.map { $0.port } == [8080, 8081])
        let over = try settings("--no-share=9090", file: "no-share")
        #expect(over.sharesPorts && over.unsharedPorts == [.tcpAny(port: 9090)])
    }

    @Test(arguments: [
        (["--no-share", "--ready", "listen"], ["--ready listen does not work with --no-share"]),
        (["--no-share", "--drain", "outside"], ["--drain outside does not work with --no-share"]),
        (["--no-share", "--share", "udp"], ["--share udp contradicts --no-share"]),
        (["--no-share", "--share", "443"], ["--share 443 contradicts --no-share"]),
        (["--listen", "8080", "--share", "443"], ["--share 443 does not work with --listen"]),
        (["--listen", "8080", "--ready", "listen"], ["--ready listen does not work with --listen"]),
        (["--listen", "8080", "--drain", "outside"], ["--drain outside does not work with --listen"]),
        (["--listen", "8080", "--share", "udp"], ["--share udp does not work with --listen"]),
        (["--balance", "slot"], ["--balance slot needs --listen"]),
        (["--no-share=8080", "--ready", "listen", "--drain", "outside", "--share", "udp"], []),
        (["--no-share", "--listen", "8080", "--balance", "slot", "--drain", "signal"], []),
        (["--no-share", "--balance", "shared", "--ready", "auto", "--drain", "auto"], []),
    ])
    func namesContradictions(_ words: [String], _ expected: [String]) {
        let problems = readSettings(arguments: words + ["./app"], startDirectory: "/").problems
        #expect(problems.count == expected.count, "\(problems)")
        for (problem, start) in zip(problems, expected) {
            #expect(problem.description.hasPrefix(start), "\(problem)")
        }
    }

    @Test func leavesTheProgramItsOwnWords() throws {
        let reading = try loadSettings(
            arguments: ["--workers", "1", "--workers", "2", "./app", "--workers", "3", "--", "-x", ""],
            startDirectory: "/")
        #expect(reading.settings.program.path == "./app")
        #expect(reading.settings.program.arguments == ["--workers", "3", "--", "-x", ""])
        #expect(reading.settings.workers == .fixed(2))
        let dashed = try loadSettings(arguments: ["--", "--odd", "--help"], startDirectory: "/")
        #expect(dashed.settings.program.path == "--odd")
        #expect(dashed.settings.program.arguments == ["--help"])
    }

    @Test func groupWinsWhereverItStands() throws {
        #expect(try settings("--group", "5", "--user", "1:2").program.user?.groupID == 5)
        #expect(try settings("--user", "1:2", "--group", "5").program.user?.groupID == 5)
        let groupOnly = try settings("--group", "5").program.user
        #expect(groupOnly?.userID == geteuid())
        #expect(groupOnly?.groupID == 5)
    }

    @Test func commandLineWinsOverTheFile() throws {
        let file = """
            # comment
            workers 4

              listen 8080
            listen admin=unix:/run/a b.sock
            env A=1 # not a comment
            pin
            soak\t5s\r
            """
        let fromFile = try settings(file: file)
        #expect(fromFile.workers == .fixed(4))
        #expect(fromFile.listeners.map { $0.address } == [.tcpAny(port: 8080), .unix(path: "/run/a b.sock")])
        #expect(fromFile.program.environment == [EnvironmentChange(name: "A", value: "1 # not a comment")])
        #expect(fromFile.program.pinsCPUs)
        #expect(fromFile.policy.soak == .seconds(5))
        let both = try settings("--workers", "5", "--listen", "9090", "--env", "B=2", file: file)
        #expect(both.workers == .fixed(5))
        #expect(both.listeners.map { $0.address } == [.tcpAny(port: 9090)])
        #expect(both.program.environment.map { $0.name } == ["B"])
        #expect(both.policy.soak == .seconds(5))
    }

    @Test func relativeFileIsFoundFromTheStartDirectory() throws {
        let folder = try TestFolder()
        try folder.write("conf/a.conf", "workers 7")
        let parsed = try loadSettings(
            arguments: ["-c", "conf/a.conf", "./app"], startDirectory: StartDirectory(folder.path))
        #expect(parsed.settings.workers == .fixed(7))
    }

    /// The same words with another file, as at a reload.
    @Test func readsTheFileAnew() throws {
        let folder = try TestFolder()
        let words = ["--config", try folder.write("a.conf", "workers 2"), "./app"]
        let source: SettingsSource = { () throws(ConfigurationError) in
            try loadSettings(arguments: words, startDirectory: "/").settings
        }
        #expect(try source().workers == .fixed(2))
        try folder.write("a.conf", "workers 3")
        #expect(try source().workers == .fixed(3))
        try folder.write("a.conf", "workers 3\nworkers 0")
        #expect(throws: ConfigurationError("\(folder.path)/a.conf:2: workers was given on line 1 already")) {
            try source()
        }
    }

    @Test(arguments: [
        ("workers 0", "1: workers: '0' is not auto or a number from 1 to 4096"),
        ("workers", "1: workers needs a value: workers auto|N"),
        ("\n\nwrokers 2", "3: unknown option 'wrokers': did you mean workers?"),
        ("--pin", "1: write pin without the dashes"),
        ("no-share = 8080", "1: write 'no-share VALUE', without '=' between them"),
        ("no-share=8080", "1: write 'no-share VALUE', without '=' between them"),
        ("share", "1: share needs a value: share udp|PORT"),
        ("pin yes", "1: pin takes no value, but 'yes' follows it"),
        ("workers = 2", "1: write 'workers VALUE', without '=' between them"),
        ("workers=2", "1: write 'workers VALUE', without '=' between them"),
        ("help", "1: help can only be given on the command line"),
        ("config x", "1: config can only be given on the command line"),
        ("soak 5s\nsoak 5s", "2: soak was given on line 1 already"),
        ("name a\0b", "1: not UTF-8 text"),
        (
            "listen x",
            "1: listen: 'x' is not an address: write 8080, 127.0.0.1:8080, [::1]:8080, localhost:8080, unix:/path, "
                + "unix:@name or udp:5353"
        ),
        ("workers 2 # two", "1: workers: '2 # two' is not auto or a number from 1 to 4096"),
    ])
    func namesFileAndLine(_ file: String, _ message: String) throws {
        let folder = try TestFolder()
        let path = try folder.write("a.conf", file)
        // Also if the command line would override the line.
        for words in [
            ["--config", path, "x"], ["--config", path, "--workers", "1", "--soak", "1s", "--listen", "1", "x"],
        ] {
            #expect(throws: ConfigurationError("\(path):\(message)")) {
                try loadSettings(arguments: words, startDirectory: "/")
            }
        }
    }

    @Test func refusesAFileThatIsNoText() throws {
        let folder = try TestFolder()
        let path = try folder.write("a.conf", Array("pin\nname ".utf8) + [0xFF])
        #expect(throws: ConfigurationError("\(path):2: not UTF-8 text")) {
            try loadSettings(arguments: ["-c", path, "x"], startDirectory: "/")
        }
    }

    @Test func namesWhatNeedsARestart() throws {
        let running = try settings("--listen", "8080", "--name", "a")
        var changed = try settings("--listen", "8080", "--name", "a", "--workers", "3", "--pin")
        #expect(changed.keepForLife(of: running) == [])
        #expect(changed.workers == .fixed(3) && changed.program.pinsCPUs)
        changed = try settings(
            "--listen", "8081", "--backlog", "5", "--balance", "slot", "--no-share", "--no-share=80", "--pid-file", "p",
            "--output", "file:x", "--log-format", "json", "--control", "none", "--control-group", "0", "--nice", "3",
            "--on-event", "date", "--on-event-timeout", "2s")
        let all = [
            "listen", "backlog", "balance", "no-share", "name", "pid-file", "output", "log-format", "control",
            "control-group",
        ]
        #expect(changed.keepForLife(of: running) == all)
        var expected = running
        expected.program.nice = 3
        expected.onEvent = "date"
        expected.onEventTimeout = .seconds(2)
        #expect(changed == expected, "the rest is taken up")
        let sharing = try settings("--no-share=80")
        changed = try settings("--share", "udp", "--ready", "listen", "--drain", "outside", "--drain-timeout", "5s")
        #expect(changed.keepForLife(of: sharing) == ["no-share", "share"])
        #expect(changed.unsharedPorts == sharing.unsharedPorts && !changed.sharesUDP)
        #expect(changed.ready == .listening && changed.drain == .outside && changed.drainTimeout == .seconds(5))
    }

    @Test(arguments: [
        ("relay", OutputMode.relay), ("prefix", .prefix), ("file:/var/log/a b:c", .file(path: "/var/log/a b:c")),
        ("file:file:", .file(path: "file:")),
    ])
    func outputIsRead(_ text: String, _ mode: OutputMode) throws {
        #expect(try settings("--output", text).output == mode)
    }

    @Test(arguments: [
        ("25%", 16, nil), ("24%", 16, 4), ("1%", 4096, 41), ("100%", 7, 7), ("3", 8, 3), ("34%", 3, 2),
    ])
    func surgeIsResolved(_ text: String, _ workers: Int, _ expected: Int?) throws {
        let settings = try settings("--surge", text, "--workers", "\(workers)")
        #expect(settings.resolvedPolicy(automaticWorkers: 1, ports: .own(because: nil)).surge == expected)
    }

    /// A worker drains itself if it is passed listeners or shares nothing.
    @Test func drainIsResolved() throws {
        let outside = Drain.outside(timeout: .seconds(7))
        let shared = PortSupply.shared(HelperTerms(daemon: 1), isDirect: false)
        let perSlot = PortSupply.perSlot(try SlotListeners(first: [], specs: [], backlog: 1))
        func drain(_ choice: String, _ ports: PortSupply) throws -> Drain {
            try settings("--drain", choice, "--drain-timeout", "7s")
                .resolvedPolicy(automaticWorkers: 1, ports: ports).drain
        }
        #expect(try drain("auto", shared) == outside)
        #expect(try drain("auto", .handed([])) == .signal)
        #expect(try drain("auto", .own(because: nil)) == .signal)
        // The queue that only this worker can empty comes first.
        #expect(try drain("signal", shared) == outside)
        #expect(try drain("signal", perSlot) == outside)
        #expect(try drain("signal", .handed([])) == .signal)
        #expect(try drain("outside", shared) == outside)
    }

    /// Only workers that share their ports are seen to listen. If they were to share and can't, `auto` means an age.
    @Test func readinessIsResolved() throws {
        let shared = PortSupply.shared(HelperTerms(daemon: 1), isDirect: false)
        let obstacle = PortSupply.own(because: SystemError(call: "seccomp", errno: EPERM))
        func readiness(_ choice: String, _ ports: PortSupply) throws -> Readiness {
            try settings("--ready", choice).resolvedPolicy(automaticWorkers: 1, ports: ports).readiness
        }
        #expect(try readiness("auto", shared) == .listening)
        #expect(try readiness("auto", .handed([])) == .message)
        #expect(try readiness("auto", .own(because: nil)) == .message)
        #expect(try readiness("auto", obstacle) == .after(.seconds(2)))
        #expect(try readiness("listen", shared) == .listening)
        for ports in [shared, obstacle, .handed([])] {
            #expect(try readiness("message", ports) == .message)
            #expect(try readiness("3s", ports) == .after(.seconds(3)))
        }
    }

    @Test func workersAreResolved() throws {
        func workers(_ settings: Settings, automatic: Int) -> Int {
            settings.resolvedPolicy(automaticWorkers: automatic, ports: .own(because: nil)).workers
        }
        #expect(workers(try settings(), automatic: 6) == 6)
        #expect(workers(try settings(), automatic: 100_000) == Policy.workersMax)
        #expect(workers(try settings("--workers", "2"), automatic: 6) == 2)
    }
}
