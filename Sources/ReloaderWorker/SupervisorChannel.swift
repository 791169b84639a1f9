// Where messages to the supervisor go: to the ready pipe if there is one, otherwise to the notify socket, otherwise
// nowhere. One is enough: both lead to the same reader, and on the pipe lines keep their order without a credentials
// check.
import Glibc

struct SupervisorChannel: Sendable {
    private enum Destination: Sendable {
        case pipe(Int32)
        /// A datagram socket connected to the supervisor's address.
        case socket(Int32)
        case nobody
    }

    private let destination: Destination

    init(readyDescriptor: Int32?, notifySocket: String?) throws(WorkerError) {
        if let readyDescriptor {
            destination = .pipe(readyDescriptor)
        } else if let notifySocket {
            destination = .socket(try Self.connect(to: notifySocket))
        } else {
            destination = .nobody
        }
    }

    /// Sends one `KEY=VALUE`. Never waits: a supervisor that has stopped reading must not stop its workers, so a full
    /// pipe is an error (EAGAIN) like any other.
    func send(_ message: String) throws(WorkerError) {
        switch destination {
        case .nobody: return
        case .pipe(let descriptor):
            let code = Self.write(Array((message + "\n").utf8), toPipe: descriptor)
            if code != 0 { throw .system(call: "write", code: code, subject: "READY_FD \(descriptor)") }
        case .socket(let descriptor):
            let bytes = Array(message.utf8)
            let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
            while Glibc.send(descriptor, bytes, bytes.count, flags) < 0 {
                let code = errno
                if code != EINTR { throw .system(call: "send", code: code, subject: "NOTIFY_SOCKET") }
            }
        }
    }

    /// Returns 0 or an errno. Up to PIPE_BUF bytes are written completely or not at all (pipe(7)).
    ///
    /// The pipe's flags are left alone, because in a manual run it may be a terminal that others use too; poll tells
    /// whether there is room. A pipe without a reader would raise SIGPIPE, which ends the process: the signal is
    /// blocked during the write and discarded.
    private static func write(_ bytes: [UInt8], toPipe descriptor: Int32) -> Int32 {
        var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        while poll(&room, 1, 0) < 0 {
            if errno != EINTR { return errno }
        }
        if room.revents & Int16(POLLERR) != 0 { return EPIPE }
        if room.revents & Int16(POLLOUT) == 0 { return EAGAIN }
        return withoutPipeSignal {
            while Glibc.write(descriptor, bytes, bytes.count) < 0 {
                if errno != EINTR { return errno }
            }
            return 0
        }
    }

    private static func withoutPipeSignal(_ write: () -> Int32) -> Int32 {
        var pipeSignal = sigset_t()
        var pending = sigset_t()
        var before = sigset_t()
        sigemptyset(&pipeSignal)
        sigaddset(&pipeSignal, SIGPIPE)
        sigpending(&pending)
        let wasPending = sigismember(&pending, SIGPIPE) == 1
        pthread_sigmask(SIG_BLOCK, &pipeSignal, &before)
        let code = write()
        if code == EPIPE, !wasPending {
            var atOnce = timespec()
            while sigtimedwait(&pipeSignal, nil, &atOnce) < 0, errno == EINTR {}
        }
        pthread_sigmask(SIG_SETMASK, &before, nil)
        return code
    }

    /// `/path`, or `@name` for an abstract address (sd_notify(3)).
    private static func connect(to path: String) throws(WorkerError) -> Int32 {
        let bytes = Array(path.utf8)
        var address = sockaddr_un()
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard let first = bytes.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "@"), bytes.count < capacity
        else {
            throw .invalidVariable(
                name: "NOTIFY_SOCKET", value: path, expected: "/path or @name of at most \(capacity - 1) bytes")
        }
        let isAbstract = first == UInt8(ascii: "@")
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { destination in
            destination.copyBytes(from: bytes)
            if isAbstract { destination[0] = 0 }
        }
        let pathOffset = MemoryLayout<sockaddr_un>.size - capacity
        let length = socklen_t(pathOffset + bytes.count + (isAbstract ? 0 : 1))

        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system(call: "socket", code: errno, subject: "NOTIFY_SOCKET") }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, length) }
        }
        guard result == 0 else {
            let code = errno
            close(descriptor)
            throw .system(call: "connect", code: code, subject: "NOTIFY_SOCKET \(path)")
        }
        return descriptor
    }
}
