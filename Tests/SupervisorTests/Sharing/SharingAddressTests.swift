// Which sockets are shared, and which are left as they are: ports.py binds in all ways that programs do.
import Glibc
import Testing

@Suite struct SharingAddressTests {
    private static let workers = 3

    private func daemon(_ words: [String], _ options: [String] = [], workers: Int = SharingAddressTests.workers) throws
        -> DaemonUnderTest
    {
        try DaemonUnderTest(
            ["--workers", "\(workers)"] + options + [Apps.python, "\(SharedProgram.folder)/ports.py"] + words)
    }

    /// The processes that answer at this address, in 40 connections a worker.
    private func answerers(at address: String) throws -> Set<Int> {
        let client = try ChildProcess.strictClient(
            address, ["--requests", "\(40 * Self.workers)", "--connections", "1"])
        let report = try client.clientReport()
        #expect(report.failed == 0, "\(address): \(report.columns)")
        return Set(report.workers.map(\.pid))
    }

    private func pids(_ daemon: DaemonUnderTest) -> Set<Int> {
        Set(daemon.records("worker_ready").compactMap { $0.pid.map(Int.init) })
    }

    @Test func twoPortsOfOneProgram() throws {
        let (first, second) = (try Network.freePort(), try Network.freePort())
        let daemon = try daemon(["tcp4", "\(first)", "tcp4", "\(second)"])
        try daemon.next("pool_ready")
        for _ in 0..<2 {
            let workers = Set(Capacity.ready(in: daemon.log).keys.map(Int.init))
            #expect(try answerers(at: "127.0.0.1:\(first)") == workers)
            #expect(try answerers(at: "127.0.0.1:\(second)") == workers)
            daemon.signal(SIGHUP)
            try daemon.next("reload_done")
        }
        try daemon.endsClean()
    }

    /// The same number with every address of it that can stand beside the others.
    @Test(arguments: [["any4", "any6"], ["dual"], ["tcp4", "tcp6"], ["tcp4", "any6"]])
    func familiesOnOnePort(_ kinds: [String]) throws {
        let port = try Network.freePort()
        let daemon = try daemon(kinds.flatMap { [$0, "\(port)"] })
        try daemon.next("pool_ready")
        for _ in 0..<2 {
            let workers = Set(Capacity.ready(in: daemon.log).keys.map(Int.init))
            #expect(try answerers(at: "127.0.0.1:\(port)") == workers)
            #expect(try answerers(at: "[::1]:\(port)") == workers)
            daemon.signal(SIGHUP)
            try daemon.next("reload_done")
        }
        try daemon.endsClean()
    }

    /// Closed and bound again, shut down and bound again: the last one serves, in every worker.
    @Test(arguments: ["again", "shut"])
    func aPortThatIsBoundAnew(_ way: String) throws {
        let port = try Network.freePort()
        let daemon = try daemon([way, "\(port)", "say", "bound"])
        try daemon.lines(Self.workers, thatStartWith: "bound")
        #expect(try answerers(at: "127.0.0.1:\(port)").count == Self.workers)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.endsClean()
    }

    /// As without us.
    @Test func theSecondBindIsRefused() throws {
        let port = try Network.freePort()
        let daemon = try daemon(["twice", "\(port)"])
        try daemon.lines(Self.workers, thatStartWith: "refused Address already in use")
        #expect(try answerers(at: "127.0.0.1:\(port)").count == Self.workers)
        try daemon.endsClean()
    }

    /// A port of another program is refused, also if that is another reloaderd of the same user.
    @Test(arguments: [[], ["--no-share"]])
    func aPortOfAnotherProgramIsRefused(_ options: [String]) throws {
        let port = try Network.freePort()
        let other = try daemon(["tcp4", "\(port)", "say", "bound"], options + ["--ready", "1ms"], workers: 1)
        try other.lines(1, thatStartWith: "bound")
        let daemon = try daemon(["twice", "\(port)"], ["--give-up", "1/10s"], workers: 1)
        #expect(try daemon.end() == 1)
        #expect(daemon.story.contains("Address already in use"))
        try other.endsClean()
    }

    /// A program may share its port among sockets of its own.
    @Test func ownReuseport() throws {
        let port = try Network.freePort()
        let daemon = try daemon(["own", "\(port)", "3"])
        try daemon.next("pool_ready")
        #expect(try answerers(at: "127.0.0.1:\(port)") == pids(daemon))
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(try answerers(at: "127.0.0.1:\(port)").count == Self.workers)
        try daemon.endsClean()
    }

    @Test func portZeroIsEachWorkersOwn() throws {
        let port = try Network.freePort()
        let daemon = try daemon(["zero", "tcp4", "\(port)"])
        try daemon.next("pool_ready")
        let own = daemon.otherLines.compactMap { line in
            line.hasPrefix("zero ") ? line.split(separator: " ").dropFirst().first.flatMap { Int($0) } : nil
        }
        #expect(Set(own).count == Self.workers)
        var seen: Set<Int> = []
        for port in own {
            let answerer = try answerers(at: "127.0.0.1:\(port)")
            #expect(answerer.count == 1)
            seen.formUnion(answerer)
        }
        #expect(seen == pids(daemon))
        try daemon.endsClean()
    }

    /// Unix sockets and UDP collide as they do without us: the first worker has them.
    @Test(arguments: ["unix", "udp"])
    func othersCollide(_ kind: String) throws {
        let folder = try TestFolder()
        let address = kind == "unix" ? "\(folder.path)/socket" : "\(try Network.freePort())"
        let daemon = try daemon([kind, address, "say", "bound"], ["--ready", "1ms"])
        try daemon.lines(Self.workers, thatStartWith: "bound")
        let refused = daemon.otherLines.count { $0.hasPrefix("refused Address already in use") }
        #expect(refused == Self.workers - 1)
        if kind == "unix" { #expect(try answerers(at: "unix:\(address)").count == 1) }
        try daemon.endsClean()
    }

    /// `--share udp`: each worker gets its share of datagrams, from clients that have a port each.
    @Test func datagramsAreSharedWhereAsked() throws {
        let (port, other) = (try Network.freePort(), try Network.freePort())
        let daemon = try daemon(["udp", "\(port)", "tcp4", "\(other)"], ["--share", "udp"])
        try daemon.next("pool_ready")
        for _ in 0..<2 {
            let answers = try (0..<60).map { _ in try Asker(datagrams: port, asking: "?").answer() }
            #expect(
                Set(answers.compactMap { $0?.pid }) == Set(Capacity.ready(in: daemon.log).keys),
                "\(answers.count { $0 == nil }) without an answer\n\(daemon.story)")
            daemon.signal(SIGHUP)
            try daemon.next("reload_done")
        }
        #expect(daemon.records("steering_failed").isEmpty)
        try daemon.endsClean()
    }

    /// `--no-share`, whole and for one address.
    @Test func whatIsNotSharedCollides() throws {
        let (shared, own) = (try Network.freePort(), try Network.freePort())
        for option in ["--no-share", "--no-share=127.0.0.1:\(own)"] {
            let daemon = try daemon(
                ["twice", "\(shared)", "tcp4", "\(own)"], [option, "--ready", "1ms", "--give-up", "1/1s"])
            #expect(try daemon.end() == 1)
            #expect(daemon.story.contains("Address already in use"))
        }
    }
}
