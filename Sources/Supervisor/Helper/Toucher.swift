// All that touches what belongs to workers: their memory, their sockets and other files, their connections. Each touch
// may wait for ever, if the worker has arranged that. So this runs in a process of its own, and does nothing unless the
// daemon asks; see `Helper`. Only where such a process may not reach workers, the daemon itself asks it directly.
internal import CLinux
internal import Glibc
internal import Reloader

final class Toucher {
    private let mark: TouchMark
    private var terms: HelperTerms
    private var sharing: PortSharing
    private var owners: [WorkerID: (owner: Owner, calls: Channel?)] = [:]
    private var barred: Set<WorkerID> = []
    private var emptyings: [WorkerID: Emptying] = [:]
    /// The workers among which the kernel chooses.
    private var serving: Set<WorkerID> = []
    /// To be closed once the daemon has closed its own copies: its must never be the last close.
    private var doomed: [Channel] = []
    /// What an earlier helper has left, until all of it has come.
    private var restored: (book: PortBook, sockets: [(row: SocketRow, channel: Channel?)])?

    init(_ mark: TouchMark) {
        self.mark = mark
        terms = HelperTerms(daemon: getppid())
        sharing = PortSharing(terms, mark)
    }

    /// - Parameter descriptors: those that the request names.
    func answer(_ request: HelperRequest, _ descriptors: [Channel]) -> HelperAnswer {
        let now = MonotonicClock.now()
        if case .restore(let rows) = request {
            restore(rows, descriptors)
            return .done
        }
        finishRestoring()
        switch request {
        case .begin(let terms):
            self.terms = terms
            sharing = PortSharing(terms, mark)
        case .bar(let id):
            barred.insert(id)
            sharing.sockets.bar(id)
        case .know(let helpers): terms.helpers = helpers
        case .adopt(let owner): owners[owner.id] = (owner, descriptors.first)
        case .forget(let id): forget(id)
        case .steer(let workers):
            serving = Set(workers)
            return answer(sharing.sockets.steer(to: serving))
        case .refuse: return answer(sharing.sockets.refuseConnections())
        case .checkQueue(let inode): return .closed(checkQueue(inode, at: now))
        case .discardOverdue: return .lost(sharing.sockets.discardOverdue(at: now))
        case .empty(let id, let order): empty(id, order, descriptors, at: now)
        case .endEmptying(let id): emptyings[id] = nil
        case .close: doomed += descriptors
        case .letGo(let subject):
            mark.touch(subject)
            doomed.removeAll()
        case .measure(let workers, let time): return .measured(measure(workers, until: now + time))
        case .variable(let name, let pid):
            mark.touch(.process(pid))
            return .text(variable(name, of: pid))
        case .command(let pid):
            mark.touch(.process(pid))
            return .text(ProcessTree.commandLine(of: pid))
        case .call(let id, _, _), .countPorts(let id), .settle(let id), .gone(let id, _), .look(let id, _):
            guard let owner = owners[id]?.owner else { return blindAnswer(to: request) }
            mark.touch(.worker(id))
            return answer(request, about: owner, at: now)
        case .restore: break
        }
        return .done
    }

    private func answer(_ request: HelperRequest, about owner: Owner, at now: Instant) -> HelperAnswer {
        switch request {
        case .call(_, let call, let terms):
            guard let calls = owners[owner.id]?.calls, !barred.contains(owner.id) else { break }
            let outcome =
                call.binds
                ? sharing.bind(call, by: owner, calls.number, terms, kin: kin, at: now)
                : sharing.listen(call, by: owner, calls.number, terms, at: now)
            return .called(outcome)
        case .countPorts:
            if !barred.contains(owner.id) { sharing.letGoOfClosed(by: owner, kin: kin, at: now) }
        case .settle:
            if !barred.contains(owner.id) { sharing.workerIsReady(owner, kin: kin, at: now) }
        case .gone(_, let succession):
            // Whatever it has arranged ended with it, or is in the way once more.
            sharing.workerIsGone(owner.id, succession, at: now)
        case .look(_, let isReplaced):
            guard !barred.contains(owner.id), let emptying = emptyings[owner.id] else { break }
            return .looked(emptying.look(at: now, isReplaced: isReplaced))
        default: break
        }
        return blindAnswer(to: request)
    }

    /// What a helper answers that has not looked.
    private func blindAnswer(to request: HelperRequest) -> HelperAnswer { request.blindAnswer }

    private func answer(_ failures: [SystemError]) -> HelperAnswer { failures.isEmpty ? .done : .failed(failures) }

    // MARK: the book

    /// What has changed since the last call, and the descriptors of the sockets that are new.
    func takeChanges() -> [(change: BookChange, channel: Channel?)] {
        // Members may have come, or moved. A failure is told when it comes again with the next order to steer.
        _ = sharing.sockets.steer(to: serving)
        return sharing.takeChanges()
    }

    private func restore(_ rows: [BookChange], _ descriptors: [Channel]) {
        var (book, sockets) = restored ?? (PortBook(), [])
        var descriptors = descriptors[...]
        for row in rows {
            if case .socket(let socket, _) = row {
                sockets.append((socket, descriptors.popFirst()))
            } else {
                book.take(row)
            }
        }
        restored = (book, sockets)
    }

    private func finishRestoring() {
        guard let (book, sockets) = restored else { return }
        restored = nil
        sharing.restore(book, sockets)
    }

    // MARK: workers

    private func forget(_ id: WorkerID) {
        owners[id] = nil
        emptyings[id] = nil
        barred.remove(id)
        // A process that outlives its worker may listen as well.
        for socket in sharing.sockets.of(id) { socket.loseOwner() }
    }

    /// Processes that were handed to the daemon when their parents ended: each may belong to any worker. nil: they
    /// can't be seen now.
    private func kin() -> [Int32]? {
        let children: [Int32]
        do throws(SystemError) { children = try ProcessTree.allChildren(of: terms.daemon) } catch { return nil }
        let known = Set(owners.values.map { $0.owner.pid } + terms.helpers + [getpid()])
        return children.filter { !known.contains($0) }
    }

    /// Returns the socket if its worker has closed it.
    private func checkQueue(_ inode: UInt64, at now: Instant) -> ClosedSocket? {
        guard let socket = sharing.sockets.all.first(where: { $0.inode == inode }), let owner = socket.owner,
            !socket.isQueueEmpty, socket.isClosed(kin: kin)
        else { return nil }
        sharing.sockets.letGo(socket, at: now)
        return ClosedSocket(owner: owner.id, address: socket.address)
    }

    private func empty(_ id: WorkerID, _ order: EmptyingOrder, _ listeners: [Channel], at now: Instant) {
        guard let owner = owners[id]?.owner else { return }
        var sockets = sharing.sockets.of(id)
        for channel in listeners {
            do throws(SystemError) { sockets.append(try SharedSocket(listening: channel, slot: owner.slot)) } catch {}
        }
        emptyings[id] = Emptying(owner, order, sockets: sockets, at: now)
    }

    // MARK: processes

    private func measure(_ workers: [MeasuredWorker], until end: Instant) -> [MeasuredMemory] {
        var measured: [MeasuredMemory] = []
        for worker in workers {
            let start = MonotonicClock.now()
            if !measured.isEmpty && start >= end { break }
            if barred.contains(worker.id) { continue }
            mark.touch(.worker(worker.id))
            let bytes = worker.processes.reduce(UInt64(0)) {
                let (sum, overflow) = $0.addingReportingOverflow(ProcessMemory.bytes(of: $1))
                return overflow ? .max : sum
            }
            measured.append(MeasuredMemory(id: worker.id, bytes: bytes, took: MonotonicClock.now() - start))
        }
        return measured
    }

    private func variable(_ name: String, of pid: Int32) -> String? {
        let prefix = Array("\(name)=".utf8)
        let entry = ProcessTree.environment(of: pid).first { $0.starts(with: prefix) }
        guard let entry, entry.count <= Self.variableBytesMax else { return nil }
        return String(decoding: entry.dropFirst(prefix.count), as: UTF8.self)
    }

    /// Those that are asked for are shorter.
    private static let variableBytesMax = 4096
}

extension HelperRequest {
    /// The answer of one that must not look.
    var blindAnswer: HelperAnswer {
        switch self {
        case .call: .called(CallOutcome(trouble: .untouchable))
        case .look: .looked(EmptyingLook(isBlind: true))
        case .checkQueue: .closed(nil)
        case .discardOverdue: .lost([])
        case .measure: .measured([])
        case .variable, .command: .text(nil)
        default: .done
        }
    }
}
