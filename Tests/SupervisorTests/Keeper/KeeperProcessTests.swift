// The keeper alone, with a test in the place of its daemon: what it holds, what it hands on, when it ends, and what it
// makes of bad input.
import CLinux
import Foundation
import Glibc
import Testing

@testable import Supervisor

@Suite struct KeeperProcessTests {
    @Test func itHoldsWhatItsDaemonHadAndHandsItToTheNext() throws {
        let keeper = try KeeperUnderTest()
        let worker = try ChildProcess(["sleep", "600"])
        let pipe = try ChildProcess.pipe()
        defer { close(pipe.0) }
        try keeper.put("worker/1", Array("one".utf8), [worker.pidfdCopy(), pipe.1], process: worker.pid)
        try keeper.put("large", [UInt8](repeating: 7, count: 300_000), [])
        try keeper.put("gone", [1], [])
        try keeper.send(.remove(key: "gone"))
        try keeper.send(.commit)
        // Nobody has said that this counts.
        try keeper.put("late", [2], [])
        close(pipe.1)
        keeper.hangUp()

        let inheritance = try #require(try keeper.ask())
        #expect(Set(inheritance.rows.map(\.key)) == ["worker/1", "large"])
        let row = try #require(inheritance.rows.first { $0.key == "worker/1" })
        #expect(row.bytes == Array("one".utf8) && row.descriptors.count == 2)
        #expect(inheritance.rows.first { $0.key == "large" }?.bytes == [UInt8](repeating: 7, count: 300_000))
        #expect(inheritance.aloneFor > .zero && inheritance.keeper.pid == keeper.pid)
        // They are the same files.
        #expect(write(row.descriptors[1], "x", 1) == 1)
        var byte: UInt8 = 0
        #expect(read(pipe.0, &byte, 1) == 1 && byte == UInt8(ascii: "x"))
        #expect(rl_signal(row.descriptors[0], SIGKILL) == 0)
        #expect(try worker.wait() == 128 + SIGKILL)
        // It serves the one that took over.
        #expect(try sendPacket(.goodbye, to: inheritance.keeper.channel.number))
        try keeper.process.waitForEnd()
        for number in inheritance.rows.flatMap(\.descriptors) { close(number) }
    }

    @Test func itEndsWithTheLastWorker() throws {
        let keeper = try KeeperUnderTest()
        let workers = [try ChildProcess(["sleep", "600"]), try ChildProcess(["sleep", "600"])]
        for (number, worker) in workers.enumerated() {
            try keeper.put("worker/\(number)", [], [worker.pidfdCopy()], process: worker.pid)
        }
        try keeper.send(.commit)
        keeper.hangUp()
        workers[0].signal(SIGKILL)
        try workers[0].wait()
        // It waits for the other one.
        #expect(try keeper.ask() != nil)
        workers[1].signal(SIGKILL)
        try workers[1].wait()
        try keeper.process.waitForEnd()
        #expect(try keeper.ask() == nil)
    }

    @Test func itEndsTheWorkersIfTheyAreToEndWithTheirDaemon() throws {
        let keeper = try KeeperUnderTest()
        let tame = try ChildProcess(["sleep", "600"])
        let wild = try ChildProcess(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 600; done"])
        #expect(try wild.output.next() == "ready")
        for worker in [tame, wild] {
            try keeper.put("worker/\(worker.pid)", [], [worker.pidfdCopy()], process: worker.pid)
        }
        try keeper.send(.terms(KeeperTerms(endsWorkers: true, stopSignal: 15, stopTimeoutMilliseconds: 300)))
        try keeper.send(.commit)
        keeper.hangUp()
        #expect(try tame.wait() == 128 + SIGTERM)
        // A daemon that is started now waits for that, and finds nothing.
        #expect(try keeper.ask() == nil)
        #expect(try wild.wait() == 128 + SIGKILL)
        try keeper.process.waitForEnd()
    }

    /// A goodbye, or an end with nothing to keep.
    @Test(arguments: [true, false]) func itEndsWithADaemonThatLeavesNothing(isPolite: Bool) throws {
        let keeper = try KeeperUnderTest()
        if isPolite { try keeper.send(.goodbye) } else { keeper.hangUp() }
        try keeper.process.waitForEnd()
    }

    @Test func signalsOfATerminalAndOfAStopMeanNothingToIt() throws {
        let keeper = try KeeperUnderTest()
        let worker = try ChildProcess(["sleep", "600"])
        try keeper.put("worker/1", [], [worker.pidfdCopy()], process: worker.pid)
        try keeper.send(.commit)
        try keeper.hasBegun()
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP] { kill(keeper.pid, signal) }
        keeper.hangUp()
        #expect(try keeper.ask()?.rows.count == 1)
    }

    @Test func badInputEndsItAndNothingElse() throws {
        let worker = try ChildProcess(["sleep", "600"])
        let inputs: [[UInt8]] = [
            [0], [99], [1], [1, 200], [2], [3, 2, 15, 0], [3, 1, 0, 0], [3, 1, 99, 0], [4, 4], [5, 1, 1], [7], [9, 9],
            [1, 1, 97, 1, 5, 9, 0], [1, 1, 97, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0],
            [UInt8](repeating: 1, count: KeeperLimits.packetBytesMax + 1),
        ]
        for input in inputs {
            let keeper = try KeeperUnderTest()
            try keeper.put("worker/1", [], [worker.pidfdCopy()], process: worker.pid)
            try keeper.send(.terms(KeeperTerms(endsWorkers: true, stopSignal: 15, stopTimeoutMilliseconds: 1)))
            try keeper.send(.commit)
            #expect(rl_send_packet(keeper.channel, input, input.count, nil, 0, false) == 0)
            try keeper.process.waitForEnd()
            #expect(worker.isRunning, "\(input.prefix(20))")
        }
    }

    /// Descriptors that belong to nothing are closed.
    @Test func aMessageBringsNoDescriptors() throws {
        let keeper = try KeeperUnderTest()
        let pipe = try ChildProcess.pipe()
        defer { close(pipe.0) }
        let packet = KeeperMessage.commit.packet
        #expect(rl_send_packet(keeper.channel, packet, packet.count, [pipe.1], 1, false) == 0)
        close(pipe.1)
        try keeper.process.waitForEnd()
        var byte: UInt8 = 0
        #expect(read(pipe.0, &byte, 1) == 0)
    }

    @Test func whoeverStartsItByHandIsTold() throws {
        let run = try CommandRun.reloaderd([KeeperCommand.argument])
        #expect(run.status == 1)
        #expect(
            run.errors == "reloaderd: the keeper of a daemon's descriptors ends: getsockopt descriptor 3: Bad file "
                + "descriptor\n")
    }

    @Test func messagesAreReadAsTheyWereWritten() throws {
        let messages: [KeeperMessage] = [
            .put(.init(key: "a/b", bytes: [1, 2, 3], isLast: true, process: KeptProcess(pid: 77, place: 3))),
            .put(.init(key: "ä", bytes: [], isLast: false, process: nil)), .remove(key: "x"), .commit, .goodbye,
            .terms(KeeperTerms(endsWorkers: true, stopSignal: 64, stopTimeoutMilliseconds: .max)),
            .hello(version: .max, pid: 1), .all(rows: .max, aloneForNanoseconds: .max), .isEnding,
            .complaint("why"),
        ]
        for message in messages { #expect(try KeeperMessage(packet: message.packet) == message) }
    }
}

/// A keeper whose daemon is the test.
private final class KeeperUnderTest {
    let process: ProcessView
    private let child: ChildProcess
    private let folder: TestFolder
    private let path: String
    private(set) var channel: Int32

    init() throws {
        folder = try TestFolder()
        path = "\(folder.path)/keeper"
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, type, 0, &ends) == 0)
        let workshop = try SocketWorkshop(beside: path)
        let listener = try workshop.open(SOCK_SEQPACKET, group: nil, backlog: 8)
        try workshop.move(to: path)
        workshop.remove()
        child = try ChildProcess(
            [Products.reloaderd, KeeperCommand.argument], inheriting: [ends[1], listener.number])
        close(ends[1])
        channel = ends[0]
        process = try ProcessView(child.pid)
    }

    var pid: Int32 { child.pid }

    /// Returns when it has its name, which it takes once it ignores signals. Nothing tells of that.
    func hasBegun() throws {
        let patience = ContinuousClock.now + .milliseconds(ChildProcess.patienceMilliseconds)
        while (try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)) != "reloaderd-keep\n" {
            if ContinuousClock.now > patience { throw DidNotHappen(description: "the keeper does not begin") }
            poll(nil, 0, 1)
        }
    }

    func send(_ message: KeeperMessage) throws { #expect(try sendPacket(message, to: channel)) }

    func put(_ key: String, _ bytes: [UInt8], _ descriptors: [Int32], process: Int32? = nil) throws {
        let row = StateRow(key: key, bytes: bytes, descriptors: descriptors)
        var sending = RowSending(row, process: process.map { KeptProcess(pid: $0, place: 0) })
        while try !sending.send(to: channel) {
            var request = pollfd(fd: channel, events: Int16(POLLOUT), revents: 0)
            poll(&request, 1, ChildProcess.patienceMilliseconds)
        }
    }

    /// As a daemon that dies.
    func hangUp() {
        close(channel)
        channel = -1
    }

    /// As a daemon that starts. The keeper may not have seen yet that the one before has died.
    func ask() throws -> Inheritance? { try Inheritance.ask(at: path) }

    deinit {
        child.signal(SIGKILL)
        if channel >= 0 { close(channel) }
    }
}
