// What the daemon asks its helper, and what the helper answers. Each request has one answer, and they come in order. An
// answer says what has changed in the book, too. All messages are packets of bounded size on one SOCK_SEQPACKET pair.
internal import CLinux
internal import Reloader

/// What the helper has to know of the daemon.
struct HelperTerms: Equatable {
    var daemon: Int32
    /// `--no-share ADDRESS`.
    var excluded: [ListenAddress] = []
    /// `--share udp`.
    var sharesUDP = false
    /// The least backlog that a listening socket gets, even if its program asks for less.
    var backlog: Int32 = 0
    /// How many slots there are at the start.
    var slots = 0
    /// Workers that listen count as ready.
    var isReadyByListening = false
    /// Children of the daemon that hold sockets of workers and are no workers: its helpers and its keeper.
    var helpers: [Int32] = []
}

/// A worker that is to be emptied.
struct EmptyingOrder: Equatable {
    var takesConnections: Bool
    /// `--drain-idle`.
    var idle: Duration
    /// `--drain-timeout`, by which the core ends the emptying.
    var limit: Duration
    var startedAt: Instant
}

/// What to do with the sockets of a worker that is gone.
enum PortSuccession: UInt8 {
    /// Its slot will get another worker, which takes them over, including those with empty queues.
    case awaited
    /// Other workers serve in its place: only a socket with waiting connections may still be taken over.
    case done
    /// There will be no other worker.
    case none
}

/// Whose things are touched. If the helper does not come back, this one is to blame.
enum TouchSubject: Hashable {
    case nobody
    case worker(WorkerID)
    /// A process that is no worker.
    case process(Int32)
}

enum HelperRequest: Equatable {
    // What another helper is told first.
    case begin(HelperTerms)
    /// Rows of the book; the descriptors of their sockets come along, in order.
    case restore([BookChange])
    /// Never touch what belongs to this worker.
    case bar(WorkerID)
    /// See `HelperTerms.helpers`.
    case know(helpers: [Int32])

    // Workers.
    /// With the descriptor on which its calls arrive.
    case adopt(Owner)
    /// It waits in bind(2) or listen(2).
    case call(WorkerID, WaitingCall, CallTerms)
    /// Lets go of the sockets that it has closed.
    case countPorts(WorkerID)
    /// It serves: sockets that it has closed or has not taken over are let go.
    case settle(WorkerID)
    case gone(WorkerID, PortSuccession)
    /// Nothing is left of it.
    case forget(WorkerID)

    // Ports.
    /// The workers among which the kernel chooses.
    case steer([WorkerID])
    /// Lets no new connections in any more.
    case refuse
    /// Whether the queue of this socket, which was not empty for a while, still has a worker.
    case checkQueue(UInt64)
    case discardOverdue

    // Emptying.
    /// With the descriptors of its slot's own listeners, if it has any.
    case empty(WorkerID, EmptyingOrder)
    case look(WorkerID, isReplaced: Bool)
    case endEmptying(WorkerID)

    // Else.
    /// Takes the descriptors that come along, so that the daemon's copies are not the last ones when it closes them.
    case close(TouchSubject)
    /// The daemon has closed them: closes those that came with `close`, which may take for ever.
    case letGo(TouchSubject)
    /// The memory of each worker's processes, as far as that can be measured in the time given.
    case measure([MeasuredWorker], within: Duration)
    /// The value of an environment variable of a process.
    case variable(String, of: Int32)
    /// The command line of a process.
    case command(Int32)
}

struct MeasuredWorker: Equatable {
    let id: WorkerID
    let processes: [Int32]
}

/// A call of bind(2) or listen(2) in which a worker waits, as the kernel reports it.
struct WaitingCall: Codable, Equatable {
    let id: UInt64
    /// 0 if it has no number in the daemon's PID namespace.
    let thread: Int32
    /// bind(2), otherwise listen(2).
    let binds: Bool
    let descriptor: Int32
    /// bind: where the sockaddr is in the caller's memory.
    let address: UInt64
    /// bind: the length of the sockaddr as given; listen: the backlog as given.
    let number: UInt64
}

/// What the daemon knows of a call before it is looked at.
struct CallTerms: Equatable {
    /// `--share PORT`.
    var permitted: [UInt16]
    /// How many sockets of the worker the daemon can hold; 0: it can hold no other descriptor.
    var copiesMax: Int
    /// An earlier helper may have carried out a part of it.
    var isRepeated: Bool
}

enum HelperAnswer: Equatable {
    case done
    case failed([SystemError])
    case called(CallOutcome)
    /// Connections of these numbers wait on sockets that nobody has taken over.
    case lost([LostQueue])
    /// nil: the socket still has its worker.
    case closed(ClosedSocket?)
    case looked(EmptyingLook)
    case measured([MeasuredMemory])
    case text(String?)
}

/// The socket that this worker has closed, and in whose queue connections wait.
struct ClosedSocket: Equatable {
    let owner: WorkerID
    let address: SharedAddress
}

struct LostQueue: Equatable {
    let address: SharedAddress
    let connections: Int
}

struct MeasuredMemory: Equatable {
    let id: WorkerID
    let bytes: UInt64
    let took: Duration
}

/// What one look at a worker that is emptied has found.
struct EmptyingLook: Equatable {
    /// A connection that is not closed yet.
    struct Holder: Equatable {
        let peer: String
        let since: Instant
        /// Why it is not closed, in words.
        let reason: String
    }

    var connections = 0
    var waiting = 0
    /// It could not see everything: there may be connections that it missed.
    var isBlind = false
    /// Nothing has been left for long enough.
    var isDone = false
    /// The oldest connections.
    var holders: [Holder] = []
    var took: Duration = .zero
}

/// What the helper sends in one packet.
enum HelperPacket: Equatable {
    /// Changes that count when the answer comes: those that don't fit into it.
    case changes([BookChange])
    case answer(HelperAnswer, [BookChange])

    /// A packet has at most about this many bytes. The kernel takes more than twice as much at once by default.
    static let bytesMax = 64 * 1024
    /// The kernel takes at most 253 (SCM_MAX_FD).
    static let descriptorsMax = 128
}
