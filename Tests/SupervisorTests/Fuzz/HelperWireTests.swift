// The messages between the daemon and its helper: what one end writes the other reads, and whatever else comes is an
// error.
import Foundation
import Reloader
import Testing

@testable import Supervisor

@Suite struct HelperWireTests {
    private static let rounds = ProcessInfo.processInfo.environment["RELOADER_FUZZ"].flatMap { Int($0) } ?? 3000
    private static let worker = WorkerID(number: 7)
    private static let owner = Owner(id: worker, pid: 4711, slot: 3, generation: 2)
    private static let address = SharedAddress(
        kept: [2, 0, 0x1F, 0x90, 127, 0, 0, 1], isIPv6Only: false, isDatagram: false)
    private static let time = Instant(nanoseconds: 123_456_789)

    private static func rows() throws -> [BookChange] {
        let address = try #require(address)
        let row = SocketRow(
            address: address, inode: 99, slot: 3, listensSince: time, owner: owner, lastOwner: worker,
            place: .init(process: 5, descriptor: 6), member: 1, refuses: true, leavesAt: time)
        return [
            .socket(row, isNew: true), .noSocket(99), .bound(98, BoundRow(address: address, owner: worker)),
            .bound(97, nil), .group(address, GroupRow(hasStrangers: true, isLost: true)), .group(address, nil),
            .begun(worker, [80: 2, 81: 1]), .begun(worker, nil), .probes(80, 1), .probes(80, nil),
            .privileged(SharedPort(number: 80, isDatagram: true)), .ready(3, time),
        ]
    }

    private static func requests() throws -> [HelperRequest] {
        var terms = HelperTerms(daemon: 1)
        terms.excluded = [
            .tcpAny(port: 1), .udpAny(port: 2), .tcp4(address: 3, port: 4), .udp4(address: 5, port: 6),
            .tcp6(address: [UInt8](repeating: 7, count: 16), scope: 8, port: 9),
            .udp6(address: [UInt8](repeating: 7, count: 16), scope: 8, port: 9), .unix(path: "/run/é"),
        ]
        terms.helpers = [5, 6]
        let call = WaitingCall(id: 1, thread: 2, binds: true, descriptor: 3, address: 4, number: 16)
        let order = EmptyingOrder(takesConnections: true, idle: .seconds(1), limit: .seconds(30), startedAt: time)
        return [
            .begin(terms), .restore(try rows()), .bar(worker), .adopt(owner),
            .call(worker, call, CallTerms(permitted: [80, 443], copiesMax: 256, isRepeated: true)),
            .countPorts(worker), .settle(worker), .gone(worker, .done), .forget(worker), .steer([worker, worker]),
            .refuse, .checkQueue(99), .discardOverdue, .empty(worker, order), .look(worker, isReplaced: true),
            .endEmptying(worker), .close(.nobody), .close(.worker(worker)), .close(.process(-5)), .letGo(.nobody),
            .measure([MeasuredWorker(id: worker, processes: [1, 2])], within: .milliseconds(50)),
            .variable("NAME", of: 5), .command(5),
        ]
    }

    private static func packets() throws -> [HelperPacket] {
        let address = try #require(address)
        let error = SystemError(call: "bind", errno: 98, subject: "a port", explanation: "because")
        var outcome = CallOutcome.failed(98, on: address)
        outcome.trouble = .shortage(error)
        var look = EmptyingLook(connections: 1, waiting: 2, isBlind: true, isDone: false, took: .milliseconds(3))
        look.holders = [.init(peer: "192.0.2.1:80", since: time, reason: "unused")]
        let answers: [HelperAnswer] = [
            .done, .failed([error]), .called(outcome), .called(.done(0, began: address)),
            .called(CallOutcome(trouble: .notHeld(address))), .called(CallOutcome(trouble: .notPermitted(address))),
            .called(CallOutcome(trouble: .ownTable)), .called(CallOutcome(trouble: .untouchable)),
            .lost([LostQueue(address: address, connections: 3)]), .closed(nil),
            .closed(ClosedSocket(owner: worker, address: address)), .looked(look),
            .measured([MeasuredMemory(id: worker, bytes: 5, took: .seconds(1))]), .text("value"), .text(nil),
        ]
        return [.changes(try rows())] + answers.map { .answer($0, []) } + [.answer(.done, try rows())]
    }

    @Test func whatIsWrittenIsRead() throws {
        for request in try Self.requests() { #expect(try HelperRequest(bytes: request.bytes[...]) == request) }
        for packet in try Self.packets() { #expect(try HelperPacket(bytes: packet.bytes[...]) == packet) }
    }

    /// A value, which then means itself, or an error: never a trap, and never more memory than the bytes are worth.
    @Test func whateverComesIsReadOrRefused() throws {
        var random = SeededGenerator(seed: 1)
        try Self.fuzz(try Self.requests(), &random)
        try Self.fuzz(try Self.packets(), &random)
    }

    private static func fuzz<Message: WireValue & Equatable>(
        _ samples: [Message], _ random: inout SeededGenerator
    ) throws {
        var accepted = 0
        for _ in 0..<rounds {
            var bytes = try #require(samples.randomElement(using: &random)).bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) { mutate(&bytes, &random) }
            guard let value = try? Message(bytes: bytes[...]) else { continue }
            accepted += 1
            #expect(try Message(bytes: value.bytes[...]) == value, "\(bytes)")
        }
        #expect(accepted > 20, "the inputs are too wild to test much")
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        let place = Int.random(in: 0..<max(1, bytes.count), using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0 where !bytes.isEmpty: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1 where !bytes.isEmpty: bytes[place] = [0, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
        case 2: bytes.removeLast(min(bytes.count, place))
        default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: min(place, bytes.count))
        }
    }

    /// All of a book goes into messages that fit, and comes out of them as it was.
    @Test func aLargeBookIsSentInPieces() throws {
        let address = try #require(Self.address)
        var book = PortBook()
        for inode in 1...UInt64(5000) {
            book.sockets[inode] = SocketRow(
                address: address, inode: inode, slot: 1, listensSince: Self.time, owner: Self.owner)
            book.begun[WorkerID(number: inode)] = [80: 1]
        }
        var copy = PortBook()
        for (request, _) in HelperPacket.restoring(book.rows.map { ($0, nil) }) {
            #expect(request.bytes.count <= HelperPacket.bytesMax)
            guard case .restore(let rows) = try HelperRequest(bytes: request.bytes[...]) else { continue }
            for row in rows { copy.take(row) }
        }
        #expect(copy == book)
    }
}
