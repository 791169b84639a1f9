// Calls of bind(2) and listen(2) that are not carried out as their caller may expect, though no other process is in the
// way: told once of each worker, because a program may try again and again.
internal import Glibc

enum CallTrouble: Equatable {
    /// The daemon could bind this port, and the worker itself may not; see `PrivilegedPorts`.
    case notPermitted(SharedAddress)
    /// See `Caller.Obstacle.ownTable`.
    case ownTable
    /// The call has failed because the daemon or the machine has nothing left.
    case shortage(SystemError)
    /// The worker listens on more sockets than are held for one, or the daemon has too few descriptors left.
    case notHeld(SharedAddress)
    /// Looks at what belongs to the worker did not end.
    case untouchable

    /// The name of its record in the log.
    var event: String {
        switch self {
        case .notPermitted: "port_not_permitted"
        case .ownTable, .notHeld: "port_not_steered"
        case .shortage: "port_not_bound"
        case .untouchable: "ports_untouchable"
        }
    }

    var words: String {
        switch self {
        case .notPermitted(let address):
            "worker may not bind \(address) itself, and reloaderd binds for it only the privileged ports that the "
                + "first worker of its slot bound before it was ready: name this one with --share \(address.port)"
        case .ownTable:
            "the worker's port is not shared: it is bound by a thread that has descriptors of its own, which this "
                + "kernel does not show (use Linux 6.9 or later, or --listen)"
        case .shortage(let error):
            "worker cannot bind or listen, because reloaderd could not look at its call: \(error)"
                + (error.errno == EMFILE ? " (raise LimitNOFILE= or ulimit -Hn)" : "")
        case .notHeld(let address):
            "worker listens on \(address) beside more sockets than reloaderd holds for it: the kernel alone chooses "
                + "who gets connections to it"
        case .untouchable:
            "looks at what belongs to the worker do not end (a page of a file server that does not answer, or worse): "
                + "its ports are shared no further, and it is given --drain-timeout when it is replaced"
        }
    }

    /// The worker may fail by it.
    var isRefusal: Bool {
        switch self {
        case .notPermitted, .shortage: true
        case .ownTable, .notHeld, .untouchable: false
        }
    }
}
