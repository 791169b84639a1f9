// One connection at a time to the server, and at most one request on it: opens, writes, reads, and says what came of
// it. Counts nothing and decides nothing: Load does.
//
//   closed -> connecting -> writing -> reading -+-> idle          (keep-alive: the next request starts at writing)
//                                               +-> awaitingEnd   (the response said close: the server closes first)
//
// A connection that the response announced to be closed is kept until the server closes it. So the server's side keeps
// the TIME_WAIT and this side's port is free at once: a run is not limited to the 28,000 local ports a minute, and
// nothing has to be reset (SO_LINGER 0 would be, and could hide what a server does after its response).
import Glibc

final class Connection {
    enum Phase {
        case closed
        case connecting
        case writing(sent: Int)
        case reading
        case idle
        case awaitingEnd
    }

    enum Step {
        case pending
        case connected
        case responded(Response)
        case failed(Report.Failure, Report.Phase, String)
        /// Bytes that no request asked for.
        case unasked(String)
        /// Closed between two requests, without a word, and before anything was written.
        case closedIdle
        /// Closed after a response that had announced it.
        case closedAnnounced(wasReset: Bool)
    }

    let index: Int
    private(set) var descriptor: Int32 = -1
    private(set) var phase = Phase.closed
    private(set) var received: [UInt8] = []
    private(set) var startedNanoseconds: UInt64 = 0
    /// Next request, time-out or end of patience, whichever the phase waits for.
    var wakeNanoseconds: UInt64 = 0
    /// The process that last answered on this connection.
    var lastPid: Int?

    private let address: Address
    private let request: [UInt8]
    private static let readBytes = 65_536

    init(index: Int, address: Address, request: [UInt8]) {
        self.index = index
        self.address = address
        self.request = request
    }

    /// What poll(2) has to watch for; nil: nothing.
    var events: Int16? {
        switch phase {
        case .closed: nil
        case .connecting, .writing: Int16(POLLOUT)
        case .reading, .idle, .awaitingEnd: Int16(POLLIN)
        }
    }

    var localPort: UInt16? {
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard result == 0, [AF_INET, AF_INET6].contains(Int32(address.sin6_family)), address.sin6_port != 0 else {
            return nil
        }
        // sin_port lies where sin6_port does.
        return UInt16(bigEndian: address.sin6_port)
    }

    /// Begins a request, on the idle connection if there is one.
    func start(now: UInt64, timeoutNanoseconds: UInt64) -> Step {
        if case .idle = phase {
            let step = checkIdle()
            guard case .pending = step else { return step }
        }
        startedNanoseconds = now
        wakeNanoseconds = now + timeoutNanoseconds
        received.removeAll(keepingCapacity: true)
        if case .idle = phase {
            phase = .writing(sent: 0)
            return write(sent: 0)
        }
        return open(timeoutNanoseconds: timeoutNanoseconds)
    }

    /// Goes on after poll(2) has said that something can be done.
    func advance() -> Step {
        switch phase {
        case .closed: .pending
        case .connecting: finishConnecting()
        case .writing(let sent): write(sent: sent)
        case .reading: read()
        case .idle: checkIdle()
        case .awaitingEnd: awaitEnd()
        }
    }

    /// What a request that is under way is busy with.
    var requestPhase: Report.Phase? {
        switch phase {
        case .connecting: .connect
        case .writing: .write
        case .reading: .read
        case .closed, .idle, .awaitingEnd: nil
        }
    }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        phase = .closed
        lastPid = nil
    }

    private func open(timeoutNanoseconds: UInt64) -> Step {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = socket(address.family, type, 0)
        guard descriptor >= 0 else { return .failed(.clientErrors, .connect, errorText(errno)) }
        phase = .connecting
        // A non-blocking connect to a unix socket whose queue is full fails at once and can't be waited for, so there
        // connect may block, for the time-out at most.
        if address.family == AF_UNIX {
            var limit = timeval(
                tv_sec: Int(timeoutNanoseconds / 1_000_000_000), tv_usec: Int(timeoutNanoseconds / 1000 % 1_000_000))
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            let result = address.connect(descriptor)
            let code = errno
            makeNonBlocking()
            return result == 0 ? connected() : connectFailed(code)
        }
        makeNonBlocking()
        if address.connect(descriptor) == 0 { return connected() }
        return errno == EINPROGRESS ? .pending : connectFailed(errno)
    }

    private func makeNonBlocking() {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    private func finishConnecting() -> Step {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        return code == 0 ? connected() : connectFailed(code)
    }

    /// The request itself is written when the loop comes back: the connection is counted first.
    private func connected() -> Step {
        phase = .writing(sent: 0)
        return .connected
    }

    private func connectFailed(_ code: Int32) -> Step {
        let failure: Report.Failure =
            switch code {
            case ECONNRESET, EPIPE: .reset
            case ETIMEDOUT, EAGAIN: .timedOut
            case EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EPERM: .clientErrors
            default: .refused
            }
        return .failed(failure, .connect, errorText(code))
    }

    private func write(sent: Int) -> Step {
        var sent = sent
        while sent < request.count {
            let count = request.withUnsafeBytes { bytes in
                send(descriptor, bytes.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                let code = errno
                if code == EINTR { continue }
                guard code == EAGAIN else { return failure(code, during: .write) }
                phase = .writing(sent: sent)
                return .pending
            }
            sent += count
        }
        phase = .reading
        return .pending
    }

    private func read() -> Step {
        let count = receive()
        if count < 0 {
            let code = errno
            return code == EAGAIN || code == EINTR ? .pending : failure(code, during: .read)
        }
        switch Response.read(received, ended: count == 0) {
        case .incomplete:
            guard count == 0 else { return .pending }
            return .failed(.earlyEnd, .read, "closed after \(received.count) bytes of the response")
        case .malformed(let reason):
            return .failed(.malformed, .read, reason)
        case .complete(let response):
            if count == 0 {
                close()
            } else {
                phase = response.closes ? .awaitingEnd : .idle
            }
            return .responded(response)
        }
    }

    /// Before a request is written nothing may come but the end.
    private func checkIdle() -> Step {
        received.removeAll(keepingCapacity: true)
        let count = receive()
        if count > 0 { return .unasked("\(count) bytes between two responses") }
        if count < 0, errno == EAGAIN || errno == EINTR { return .pending }
        return .closedIdle
    }

    private func awaitEnd() -> Step {
        received.removeAll(keepingCapacity: true)
        let count = receive()
        if count > 0 { return .unasked("\(count) bytes after the last response") }
        if count < 0, errno == EAGAIN || errno == EINTR { return .pending }
        return .closedAnnounced(wasReset: count < 0)
    }

    private func failure(_ code: Int32, during phase: Report.Phase) -> Step {
        .failed(code == ETIMEDOUT ? .timedOut : .reset, phase, errorText(code))
    }

    /// Appends what is there to `received`; as recv(2).
    private func receive() -> Int {
        withUnsafeTemporaryAllocation(byteCount: Self.readBytes, alignment: 1) { scratch in
            let count = recv(descriptor, scratch.baseAddress, scratch.count, 0)
            if count > 0 { received.append(contentsOf: scratch[..<count]) }
            return count
        }
    }
}
