// The messages between the daemon and its helper as bytes; see Wire.swift. The numbers of the cases are known to these
// two ends alone, which are always of one version.
internal import CLinux
internal import Reloader

extension HelperTerms: WireValue {
    func write(to bytes: inout [UInt8]) {
        daemon.write(to: &bytes)
        excluded.write(to: &bytes)
        sharesUDP.write(to: &bytes)
        backlog.write(to: &bytes)
        slots.write(to: &bytes)
        isReadyByListening.write(to: &bytes)
        helpers.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.init(daemon: try Int32(from: &reader))
        excluded = try [ListenAddress](from: &reader)
        sharesUDP = try Bool(from: &reader)
        backlog = try Int32(from: &reader)
        slots = try Int(from: &reader)
        isReadyByListening = try Bool(from: &reader)
        helpers = try [Int32](from: &reader)
    }
}

extension EmptyingOrder: WireValue {
    func write(to bytes: inout [UInt8]) {
        takesConnections.write(to: &bytes)
        idle.write(to: &bytes)
        limit.write(to: &bytes)
        startedAt.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        takesConnections = try Bool(from: &reader)
        idle = try Duration(from: &reader)
        limit = try Duration(from: &reader)
        startedAt = try Instant(from: &reader)
    }
}

extension TouchSubject: WireValue {
    private static let processBit: UInt64 = 1 << 63

    /// 0: nobody. Workers are numbered from 1 up.
    var word: UInt64 {
        switch self {
        case .nobody: 0
        case .worker(let id): (id.number &+ 1) & ~Self.processBit
        case .process(let pid): UInt64(UInt32(bitPattern: pid)) | Self.processBit
        }
    }

    init(word: UInt64) {
        if word == 0 {
            self = .nobody
        } else if word & Self.processBit != 0 {
            self = .process(Int32(bitPattern: UInt32(truncatingIfNeeded: word)))
        } else {
            self = .worker(WorkerID(number: word - 1))
        }
    }

    func write(to bytes: inout [UInt8]) { word.write(to: &bytes) }
    init(from reader: inout WireReader) throws(WireError) { self.init(word: try UInt64(from: &reader)) }
}

extension MeasuredWorker: WireValue {
    func write(to bytes: inout [UInt8]) {
        id.write(to: &bytes)
        processes.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        id = try WorkerID(from: &reader)
        processes = try [Int32](from: &reader)
    }
}

extension WaitingCall: WireValue {
    func write(to bytes: inout [UInt8]) {
        id.write(to: &bytes)
        thread.write(to: &bytes)
        binds.write(to: &bytes)
        descriptor.write(to: &bytes)
        address.write(to: &bytes)
        number.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        id = try UInt64(from: &reader)
        thread = try Int32(from: &reader)
        binds = try Bool(from: &reader)
        descriptor = try Int32(from: &reader)
        address = try UInt64(from: &reader)
        number = try UInt64(from: &reader)
    }
}

extension WaitingCall {
    init(_ call: rl_call) {
        self.init(
            id: call.id, thread: call.thread, binds: call.binds, descriptor: call.descriptor, address: call.address,
            number: call.number)
    }
}

extension CallTerms: WireValue {
    func write(to bytes: inout [UInt8]) {
        permitted.write(to: &bytes)
        copiesMax.write(to: &bytes)
        isRepeated.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        permitted = try [UInt16](from: &reader)
        copiesMax = try Int(from: &reader)
        isRepeated = try Bool(from: &reader)
    }
}

extension HelperRequest: WireValue {
    func write(to bytes: inout [UInt8]) {
        func kind(_ number: UInt8) { number.write(to: &bytes) }
        func put(_ number: UInt8, _ id: WorkerID) {
            kind(number)
            id.write(to: &bytes)
        }
        switch self {
        case .begin(let terms):
            kind(0)
            terms.write(to: &bytes)
        case .restore(let rows):
            kind(1)
            rows.write(to: &bytes)
        case .bar(let id): put(2, id)
        case .adopt(let owner):
            kind(3)
            owner.write(to: &bytes)
        case .call(let id, let call, let terms):
            put(4, id)
            call.write(to: &bytes)
            terms.write(to: &bytes)
        case .countPorts(let id): put(5, id)
        case .settle(let id): put(6, id)
        case .gone(let id, let succession):
            put(7, id)
            succession.rawValue.write(to: &bytes)
        case .forget(let id): put(8, id)
        case .steer(let workers):
            kind(9)
            workers.write(to: &bytes)
        case .refuse: kind(10)
        case .checkQueue(let inode):
            kind(11)
            inode.write(to: &bytes)
        case .discardOverdue: kind(12)
        case .empty(let id, let order):
            put(13, id)
            order.write(to: &bytes)
        case .look(let id, let isReplaced):
            put(14, id)
            isReplaced.write(to: &bytes)
        case .endEmptying(let id): put(15, id)
        case .close(let subject):
            kind(16)
            subject.write(to: &bytes)
        case .letGo(let subject):
            kind(21)
            subject.write(to: &bytes)
        case .measure(let workers, let time):
            kind(17)
            workers.write(to: &bytes)
            time.write(to: &bytes)
        case .know(let helpers):
            kind(20)
            helpers.write(to: &bytes)
        case .variable(let name, let pid):
            kind(18)
            name.write(to: &bytes)
            pid.write(to: &bytes)
        case .command(let pid):
            kind(19)
            pid.write(to: &bytes)
        }
    }

    init(from reader: inout WireReader) throws(WireError) {
        let kind = try UInt8(from: &reader)
        switch kind {
        case 0: self = .begin(try HelperTerms(from: &reader))
        case 1: self = .restore(try [BookChange](from: &reader))
        case 3: self = .adopt(try Owner(from: &reader))
        case 9: self = .steer(try [WorkerID](from: &reader))
        case 10: self = .refuse
        case 11: self = .checkQueue(try UInt64(from: &reader))
        case 12: self = .discardOverdue
        case 16: self = .close(try TouchSubject(from: &reader))
        case 17:
            let workers = try [MeasuredWorker](from: &reader)
            self = .measure(workers, within: try Duration(from: &reader))
        case 18:
            let name = try String(from: &reader)
            self = .variable(name, of: try Int32(from: &reader))
        case 19: self = .command(try Int32(from: &reader))
        case 20: self = .know(helpers: try [Int32](from: &reader))
        case 21: self = .letGo(try TouchSubject(from: &reader))
        default: try self.init(aboutWorker: kind, from: &reader)
        }
    }

    private init(aboutWorker kind: UInt8, from reader: inout WireReader) throws(WireError) {
        let id = try WorkerID(from: &reader)
        switch kind {
        case 2: self = .bar(id)
        case 4:
            let call = try WaitingCall(from: &reader)
            self = .call(id, call, try CallTerms(from: &reader))
        case 5: self = .countPorts(id)
        case 6: self = .settle(id)
        case 7:
            guard let succession = PortSuccession(rawValue: try UInt8(from: &reader)) else { throw WireError() }
            self = .gone(id, succession)
        case 8: self = .forget(id)
        case 13: self = .empty(id, try EmptyingOrder(from: &reader))
        case 14: self = .look(id, isReplaced: try Bool(from: &reader))
        case 15: self = .endEmptying(id)
        default: throw WireError()
        }
    }
}

extension CallOutcome: WireValue {
    func write(to bytes: inout [UInt8]) {
        result.write(to: &bytes)
        began.write(to: &bytes)
        isProbe.write(to: &bytes)
        refused.write(to: &bytes)
        trouble.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        result = try Int32?(from: &reader)
        began = try SharedAddress?(from: &reader)
        isProbe = try Bool(from: &reader)
        refused = try SharedAddress?(from: &reader)
        trouble = try CallTrouble?(from: &reader)
    }
}

extension CallTrouble: WireValue {
    func write(to bytes: inout [UInt8]) {
        func kind(_ number: UInt8) { number.write(to: &bytes) }
        switch self {
        case .notPermitted(let address):
            kind(0)
            address.write(to: &bytes)
        case .ownTable: kind(1)
        case .shortage(let error):
            kind(2)
            error.write(to: &bytes)
        case .notHeld(let address):
            kind(3)
            address.write(to: &bytes)
        case .untouchable: kind(4)
        }
    }

    init(from reader: inout WireReader) throws(WireError) {
        switch try UInt8(from: &reader) {
        case 0: self = .notPermitted(try SharedAddress(from: &reader))
        case 1: self = .ownTable
        case 2: self = .shortage(try SystemError(from: &reader))
        case 3: self = .notHeld(try SharedAddress(from: &reader))
        case 4: self = .untouchable
        default: throw WireError()
        }
    }
}

extension ClosedSocket: WireValue {
    func write(to bytes: inout [UInt8]) {
        owner.write(to: &bytes)
        address.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        owner = try WorkerID(from: &reader)
        address = try SharedAddress(from: &reader)
    }
}

extension LostQueue: WireValue {
    func write(to bytes: inout [UInt8]) {
        address.write(to: &bytes)
        connections.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        address = try SharedAddress(from: &reader)
        connections = try Int(from: &reader)
    }
}

extension MeasuredMemory: WireValue {
    func write(to bytes: inout [UInt8]) {
        id.write(to: &bytes)
        self.bytes.write(to: &bytes)
        took.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        id = try WorkerID(from: &reader)
        bytes = try UInt64(from: &reader)
        took = try Duration(from: &reader)
    }
}

extension EmptyingLook.Holder: WireValue {
    func write(to bytes: inout [UInt8]) {
        peer.write(to: &bytes)
        since.write(to: &bytes)
        reason.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        peer = try String(from: &reader)
        since = try Instant(from: &reader)
        reason = try String(from: &reader)
    }
}

extension EmptyingLook: WireValue {
    func write(to bytes: inout [UInt8]) {
        connections.write(to: &bytes)
        waiting.write(to: &bytes)
        isBlind.write(to: &bytes)
        isDone.write(to: &bytes)
        holders.write(to: &bytes)
        took.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        connections = try Int(from: &reader)
        waiting = try Int(from: &reader)
        isBlind = try Bool(from: &reader)
        isDone = try Bool(from: &reader)
        holders = try [Holder](from: &reader)
        took = try Duration(from: &reader)
    }
}

extension HelperAnswer: WireValue {
    func write(to bytes: inout [UInt8]) {
        func kind(_ number: UInt8) { number.write(to: &bytes) }
        switch self {
        case .done: kind(0)
        case .failed(let errors):
            kind(1)
            errors.write(to: &bytes)
        case .called(let outcome):
            kind(2)
            outcome.write(to: &bytes)
        case .lost(let queues):
            kind(3)
            queues.write(to: &bytes)
        case .closed(let socket):
            kind(4)
            socket.write(to: &bytes)
        case .looked(let look):
            kind(5)
            look.write(to: &bytes)
        case .measured(let memory):
            kind(6)
            memory.write(to: &bytes)
        case .text(let text):
            kind(7)
            text.write(to: &bytes)
        }
    }

    init(from reader: inout WireReader) throws(WireError) {
        switch try UInt8(from: &reader) {
        case 0: self = .done
        case 1: self = .failed(try [SystemError](from: &reader))
        case 2: self = .called(try CallOutcome(from: &reader))
        case 3: self = .lost(try [LostQueue](from: &reader))
        case 4: self = .closed(try ClosedSocket?(from: &reader))
        case 5: self = .looked(try EmptyingLook(from: &reader))
        case 6: self = .measured(try [MeasuredMemory](from: &reader))
        case 7: self = .text(try String?(from: &reader))
        default: throw WireError()
        }
    }
}

extension HelperPacket: WireValue {
    func write(to bytes: inout [UInt8]) {
        switch self {
        case .changes(let changes):
            UInt8(0).write(to: &bytes)
            changes.write(to: &bytes)
        case .answer(let answer, let changes):
            UInt8(1).write(to: &bytes)
            answer.write(to: &bytes)
            changes.write(to: &bytes)
        }
    }

    init(from reader: inout WireReader) throws(WireError) {
        switch try UInt8(from: &reader) {
        case 0: self = .changes(try [BookChange](from: &reader))
        case 1:
            let answer = try HelperAnswer(from: &reader)
            self = .answer(answer, try [BookChange](from: &reader))
        default: throw WireError()
        }
    }
}

/// Reads the whole message, and nothing after it.
extension WireValue {
    init(bytes: ArraySlice<UInt8>) throws(WireError) {
        var reader = WireReader(bytes)
        self = try Self(from: &reader)
        try reader.end()
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return bytes
    }
}
