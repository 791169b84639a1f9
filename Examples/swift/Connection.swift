// One connection: reads requests, one after the other, and writes their responses in order.
//
//   reading -> (delayed ->) writing -> reading …             keep-alive
//                                   -> lingering -> finished  after the last response
import Glibc

final class Connection {
    private enum Phase {
        case reading
        /// Answers later (`/slow`).
        case delayed(Request, until: SuspendingClock.Instant)
        /// Has closed its own side and waits for the client's. Closing both sides with unread bytes in the receive
        /// buffer would reset the connection, and the client could lose a response that it hasn't read yet.
        case lingering(until: SuspendingClock.Instant)
        case finished
    }

    let descriptor: Int32
    private let timeouts: Timeouts
    /// The body of a good answer.
    private let identity: String
    private var phase = Phase.reading
    private var input: [UInt8] = []
    private var inputHasEnded = false
    private var output: [UInt8] = []
    private var sent = 0
    private var closesAfterOutput = false
    /// When what it waits for now began: the next request, the rest of a request, or room to write.
    private var waitsSince: SuspendingClock.Instant

    private static let readBytes = 16_384
    /// A client that sends many requests at once has to read the answers before more are made.
    private static let outputBytesMax = 16_384

    init(descriptor: Int32, timeouts: Timeouts, identity: String, now: SuspendingClock.Instant) {
        self.descriptor = descriptor
        self.timeouts = timeouts
        self.identity = identity
        waitsSince = now
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    deinit { close(descriptor) }

    var isFinished: Bool {
        if case .finished = phase { true } else { false }
    }

    /// What poll(2) has to watch for.
    var events: Int16 {
        if !output.isEmpty { return Int16(POLLOUT) }
        switch phase {
        case .reading, .lingering: return inputHasEnded ? 0 : Int16(POLLIN)
        case .delayed, .finished: return 0
        }
    }

    func deadline(isDraining: Bool) -> SuspendingClock.Instant {
        switch phase {
        case .delayed(_, let until), .lingering(let until): until
        case .reading where output.isEmpty && input.isEmpty:
            waitsSince + (isDraining ? timeouts.drainIdle : timeouts.idle)
        case .reading: waitsSince + timeouts.stalled
        case .finished: waitsSince
        }
    }

    /// An idle connection gets the whole time of the drain for its last request.
    func drainBegan(now: SuspendingClock.Instant) {
        if output.isEmpty && input.isEmpty { waitsSince = now }
    }

    /// Goes on after poll(2) has said that something can be done.
    func act(on events: Int16, now: SuspendingClock.Instant, isDraining: Bool) {
        if events & Int16(POLLERR | POLLNVAL) != 0 {
            phase = .finished
        } else if !output.isEmpty {
            flush(now: now)
            serve(now: now, isDraining: isDraining)
        } else if case .delayed = phase {
            // Only POLLHUP comes here unasked: nobody waits for this answer any more.
            phase = .finished
        } else {
            receive(now: now)
            serve(now: now, isDraining: isDraining)
        }
    }

    /// Does what its time has come for.
    func actIfDue(now: SuspendingClock.Instant, isDraining: Bool) {
        guard deadline(isDraining: isDraining) <= now else { return }
        switch phase {
        case .delayed(let request, _):
            phase = .reading
            receive(now: now)
            respond(to: request, isDraining: isDraining)
            serve(now: now, isDraining: isDraining)
        case .reading where output.isEmpty && input.isEmpty:
            // The request that is just arriving still counts.
            receive(now: now)
            serve(now: now, isDraining: isDraining)
            if case .reading = phase, output.isEmpty, input.isEmpty { closeOwnSide(now: now) }
        case .reading, .lingering, .finished:
            phase = .finished
        }
    }

    private func receive(now: SuspendingClock.Instant) {
        let count = withUnsafeTemporaryAllocation(byteCount: Self.readBytes, alignment: 1) { scratch in
            let count = recv(descriptor, scratch.baseAddress, scratch.count, 0)
            if count > 0, case .reading = phase {
                if input.isEmpty { waitsSince = now }
                input.append(contentsOf: scratch[..<count])
            }
            return count
        }
        if count == 0 {
            inputHasEnded = true
        } else if count < 0, errno != EAGAIN, errno != EINTR {
            phase = .finished
        }
    }

    /// Answers what is there to be answered.
    private func serve(now: SuspendingClock.Instant, isDraining: Bool) {
        while case .reading = phase, !closesAfterOutput {
            if output.count >= Self.outputBytesMax {
                flush(now: now)
                if !output.isEmpty { return }
            }
            switch Request.read(input) {
            case .incomplete:
                flush(now: now)
                if inputHasEnded, output.isEmpty { phase = .finished }
                return
            case .bad(let status):
                // Where the next request would begin is unknown, so this is the last.
                input = []
                append(Response(status: status, body: "", closes: true, sendsBody: true))
            case .complete(let request, let length):
                input.removeFirst(length)
                waitsSince = now
                if let delay = request.delay {
                    phase = .delayed(request, until: now + delay)
                } else {
                    respond(to: request, isDraining: isDraining)
                }
            }
        }
        flush(now: now)
        if case .lingering = phase, inputHasEnded { phase = .finished }
    }

    private func respond(to request: Request, isDraining: Bool) {
        // What the client had sent before it could know of a close is answered too.
        let closes = !request.keepsAlive || (isDraining && input.isEmpty)
        append(
            Response(
                status: request.status, body: request.status == 200 ? identity : "", closes: closes,
                sendsBody: !request.isHead))
    }

    private func append(_ response: Response) {
        output += response.bytes
        closesAfterOutput = response.closes
    }

    private func flush(now: SuspendingClock.Instant) {
        while sent < output.count {
            let count = output.withUnsafeBytes { bytes in
                send(descriptor, bytes.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { phase = .finished }
                return
            }
            sent += count
            waitsSince = now
        }
        output.removeAll(keepingCapacity: true)
        sent = 0
        if closesAfterOutput, case .reading = phase { closeOwnSide(now: now) }
    }

    private func closeOwnSide(now: SuspendingClock.Instant) {
        input = []
        let isClosed = shutdown(descriptor, Int32(SHUT_WR)) == 0
        phase = isClosed && !inputHasEnded ? .lingering(until: now + timeouts.lingering) : .finished
    }
}
