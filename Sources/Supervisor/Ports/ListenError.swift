// Why a socket could not be opened, and what to do about it.
internal import Glibc

public enum ListenError: Error, Equatable, Sendable, CustomStringConvertible {
    case failed(address: String, SystemError)
    case inUse(path: String)
    case notASocket(path: String)
    case handedOver(String)

    public var description: String {
        switch self {
        case .failed(let address, let error):
            "cannot listen on \(address): \(error.reason)\(Self.holder(of: address, error) ?? Self.hint(error))"
        case .inUse(let path):
            "cannot listen on unix:\(path): another process listens there (stop it, or choose another path)"
        case .notASocket(let path):
            "cannot listen on unix:\(path): the file there is no socket (move it away, or choose another path)"
        case .handedOver(let reason):
            "cannot take the sockets of LISTEN_FDS: \(reason)"
        }
    }

    /// Its cause, as a system call's.
    var systemError: SystemError {
        switch self {
        case .failed(_, let error): error
        case .inUse(let path): SystemError(call: "bind", errno: EADDRINUSE, subject: path)
        case .notASocket(let path): SystemError(call: "bind", errno: ENOTSOCK, subject: path)
        case .handedOver: SystemError(call: "bind", errno: EBADF)
        }
    }

    /// Who listens there already.
    private static func holder(of address: String, _ error: SystemError) -> String? {
        guard error.call == "bind" || error.call == "listen", error.errno == EADDRINUSE else { return nil }
        let parsed: ListenAddress
        do throws(ConfigurationError) { parsed = try ListenAddress(parsing: address) } catch { return nil }
        return PortHolder(of: parsed).map { " by \($0.words(seenFrom: nil))" }
    }

    private static func hint(_ error: SystemError) -> String {
        switch (error.call, error.errno) {
        case ("bind", EACCES):
            " (ports below 1024 need CAP_NET_BIND_SERVICE; a path needs a directory that may be written)"
        case ("bind", EADDRINUSE): " (another process listens there; `ss -ltnp` shows which)"
        case ("bind", EADDRNOTAVAIL): " (this machine has no such address)"
        case ("bind", ENAMETOOLONG): " (a socket's path has at most 107 bytes)"
        case ("bind", ENOENT): " (its directory does not exist)"
        default: ""
        }
    }
}
