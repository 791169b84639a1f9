// A verb's exchange with the daemon: one request, then its events and its answer.
import Supervisor

struct Conversation {
    let connection: ControlConnection

    /// How long an answer may take that needs no waiting for workers. A daemon that lives answers in milliseconds; one
    /// that is stopped, or a machine that is lost in paging, would hold up a script for ever.
    static let patienceSeconds = 10.0

    /// Finds the daemon and asks it.
    init(_ call: Call) throws(VerbError) {
        connection = try call.daemon.connect()
        try connection.send(call.request)
    }

    /// The answer, which is not long in coming. What precedes it is of no interest.
    func answer() throws(VerbError) -> Message {
        while true {
            let message = try nextSoon()
            if message.kind == .result { return message }
        }
    }

    /// The next message, whenever it comes.
    func next() throws(VerbError) -> Message {
        try next(until: nil) { () throws(VerbError) -> Moment? in nil }
    }

    /// The next message, which is not long in coming.
    func nextSoon() throws(VerbError) -> Message {
        try next(until: Moment.now() + Self.patienceSeconds) { () throws(VerbError) -> Moment? in
            throw .noAnswer("\(place) does not answer: the daemon may be stopped, or the machine overloaded")
        }
    }

    /// The next message. `atSilence` is called when nothing came by `deadline`, and says until when to wait then.
    ///
    /// - Throws: also what the daemon refuses.
    func next(
        until deadline: Moment?, atSilence: () throws(VerbError) -> Moment?
    ) throws(VerbError) -> Message {
        var deadline = deadline
        while true {
            switch try connection.next(until: deadline) {
            case .end: throw ended
            case .silence: deadline = try atSilence()
            case .line(let line):
                let message = try Message(line, from: connection.path)
                if message.kind == .error { throw message.refusal }
                return message
            }
        }
    }

    /// Lets time pass, as long as the daemon is there.
    func pause(until moment: Moment) throws(VerbError) {
        if case .end = try connection.next(until: moment) { throw ended }
    }

    private var place: String { printable(connection.path) }

    private var ended: VerbError {
        .noAnswer("the daemon has closed \(place) without an answer: it has ended, or is about to")
    }
}
