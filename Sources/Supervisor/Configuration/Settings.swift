// Everything that a person may choose, as plain values that are parsed and checked.
public import Reloader

/// The choices of the command line and the config file. The command makes them, the daemon obeys them.
public struct Settings: Codable, Equatable, Sendable {
    public var program = Program()
    public var policy = Policy()
    /// The number of workers; resolved into `policy.workers` when the daemon starts and at each reload.
    public var workers: WorkerCount = .automatic
    /// Replacements in flight at once; resolved into `policy.surge` when the number of workers is known.
    public var surge: SurgeChoice = .percent(25)
    /// In the order of the command line: the first is descriptor 3 of each worker.
    public var listeners: [ListenSpec] = []
    /// Length of each accept queue, 1 ... 65535; the kernel caps it at net.core.somaxconn.
    public var backlog: Int32 = 4096
    public var ready: ReadyChoice = .automatic
    /// Whether workers share the ports that they bind themselves. Counts only if no listeners are passed to them.
    public var sharesPorts = true
    /// Ports that are not shared.
    public var unsharedPorts: [ListenAddress] = []
    /// Whether UDP ports are shared as well as TCP ports.
    public var sharesUDP = false
    /// Privileged ports that the daemon binds for any worker, whatever the worker itself may.
    public var permittedPorts: Set<UInt16> = []
    public var balance: BalanceMode = .shared
    public var drain: DrainChoice = .automatic
    /// The longest time from the start of a drain from outside to the stop signal.
    public var drainTimeout: Duration = .seconds(30)
    /// A drain from outside closes no connection that was silent for less than this.
    public var drainIdle: Duration = .milliseconds(50)
    /// Bytes that a worker and the processes that it started may use before it is replaced; nil if there is no limit.
    public var maxMemory: UInt64?
    /// The signal that asks a worker to finish.
    public var stopSignal: Int32 = 15
    /// Whether processes that a worker started in sessions of their own may outlive it.
    public var keepsChildren = false
    /// Whether each worker has a control group of its own.
    public var hasGroups = false
    /// The bytes that a worker's control group may hold before the kernel kills the worker; nil if there is no limit.
    public var memoryLimit: UInt64?
    /// What becomes of workers when the daemon is killed.
    public var orphans: OrphansChoice = .automatic
    public var output: OutputMode = .relay
    /// nil: `pretty` on a terminal, `text` elsewhere.
    public var logFormat: LogFormat?
    /// The command that /bin/sh -c runs at each event; nil if there is none.
    public var onEvent: String?
    /// A run of the command that takes longer is killed.
    public var onEventTimeout: Duration = .seconds(10)
    /// The name of this daemon in the log, and of its control socket and history; nil for the program's base name.
    public var name: String?
    public var control: ControlChoice = .automatic
    /// The group whose members may use the control socket, too.
    public var controlGroup: UInt32?
    /// Written once the listeners are open, removed at the end.
    public var pidFile: String?

    public init() {}

    /// What a person types to deploy.
    ///
    /// - Parameter pid: the daemon's own.
    func deployCommand(pid: Int32) -> String {
        switch control {
        case .automatic: "reloaderd reload \(printable(daemonName))"
        case .path(let path): "reloaderd reload --control \(printable(path))"
        case .none: "kill -HUP \(pid)"
        }
    }

    /// `name`, or the program's base name.
    public var daemonName: String {
        let path = program.path
        let base =
            path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[path.utf8.index(after: $0)...]) } ?? path
        return name ?? base
    }
}

/// The program, and the surroundings in which its workers start. A generation is one such program with everything
/// pinned.
public struct Program: Codable, Equatable, Sendable {
    /// A path, or a bare name looked up in the workers' PATH.
    public var path = ""
    /// The arguments after argv[0].
    public var arguments: [String] = []
    /// nil for the directory in which the daemon was started. Symbolic links are followed when a generation is made.
    public var workingDirectory: String?
    /// Files of `NAME=VALUE` lines, read when a generation is made. Later files win.
    public var environmentFiles: [String] = []
    /// Changes in their order, which win over the files.
    public var environment: [EnvironmentChange] = []
    public var user: UserChoice?
    public var umask: UInt32?
    public var resourceLimits: [ResourceLimit] = []
    /// -20 ... 19.
    public var nice: Int32?
    /// Whether each worker is bound to one CPU, chosen by its slot.
    public var pinsCPUs = false

    public init() {}

    /// The user of the workers, if it is not the daemon's own.
    var stranger: Stranger? {
        guard let user, !isOurs(user.userID) else { return nil }
        return Stranger(userID: user.userID, groupIDs: [user.groupID] + user.supplementaryGroups)
    }
}

/// For `--check`: why the daemon would refuse to write output to this file, apart from what stat(2) and access(2) tell;
/// nil if it would not.
public func outputFileRefusal(_ path: String, _ program: Program) -> String? {
    SafeFile.outputRefusal(path, closedTo: [program.stranger].compactMap { $0 })
}

/// A variable that is set or removed in the environment of workers.
public struct EnvironmentChange: Codable, Equatable, Sendable {
    public var name: String
    /// nil removes the variable.
    public var value: String?

    public init(name: String, value: String?) {
        self.name = name
        self.value = value
    }
}

/// The user and groups that workers run with. Groups that are not listed are dropped.
public struct UserChoice: Codable, Equatable, Sendable {
    public var userID: UInt32
    public var groupID: UInt32
    /// Supplementary groups, without `groupID` or with it.
    public var supplementaryGroups: [UInt32]
    /// For USER and LOGNAME; nil if only a number is known.
    public var name: String?
    /// For HOME; nil if only a number is known.
    public var home: String?

    public init(userID: UInt32, groupID: UInt32, supplementaryGroups: [UInt32], name: String?, home: String?) {
        self.userID = userID
        self.groupID = groupID
        self.supplementaryGroups = supplementaryGroups
        self.name = name
        self.home = home
    }
}

/// `--workers`: how many workers the pool has.
public enum WorkerCount: Codable, Equatable, Sendable {
    /// The smaller of the number of CPUs that the daemon may run on and the cgroup's quota, rounded up.
    case automatic
    case fixed(Int)
}

/// `--ready`: what makes a worker ready. A ready message always does.
public enum ReadyChoice: Codable, Equatable, Sendable {
    /// Its ready message if listeners are passed to it, else that it listens.
    case automatic
    case message
    case listening
    case after(Duration)
}

/// `--balance`: how connections to the listeners of `--listen` reach the workers.
public enum BalanceMode: Codable, Equatable, Sendable {
    /// All workers accept from the same listeners.
    case shared
    /// Each slot has its own listeners, and the kernel spreads connections over them.
    case slot
}

/// `--drain`: how a worker that serves is emptied.
public enum DrainChoice: Codable, Equatable, Sendable {
    /// By the worker itself if listeners are passed to it, else from outside.
    case automatic
    case signal
    case outside
}

/// `--orphans`: what becomes of workers whose daemon was killed.
public enum OrphansChoice: Codable, Equatable, Sendable {
    /// `stop` for a daemon that is process 1 or was started on a terminal, otherwise `keep`.
    case automatic
    /// They serve on, until another daemon of the same name takes them over.
    case keep
    /// They are asked to finish, and then killed.
    case stop
}

/// `--output`: where the output of workers goes.
public enum OutputMode: Codable, Equatable, Sendable {
    /// Through the daemon to its own stdout and stderr, byte for byte; the last lines are kept.
    case relay
    /// Directly to the daemon's own stdout and stderr; nothing is kept.
    case inherit
    /// As `relay`, with slot and PID before each line.
    case prefix
    /// The lines of both go to the end of a file; the last lines are kept as with `relay`.
    case file(path: String)
}

/// `--control`: where the control socket is.
public enum ControlChoice: Codable, Equatable, Sendable {
    /// In the runtime directory, under the daemon's name.
    case automatic
    case path(String)
    case none
}

/// `--log-format`: the form of the daemon's log.
public enum LogFormat: Codable, Equatable, Sendable {
    /// For people at a terminal: see `PrettyLog`.
    case pretty
    /// `key=value` lines.
    case text
    case json
}

/// One `--listen`: an address, and its name in LISTEN_FDNAMES.
public struct ListenSpec: Codable, Equatable, Sendable {
    public var address: ListenAddress
    /// At most 255 bytes of ASCII, without ':' or control characters; nil for "unknown", as systemd writes it.
    public var name: String?

    public init(address: ListenAddress, name: String? = nil) {
        self.address = address
        self.name = name
    }
}

/// The address of a listener. Numeric, because a static executable resolves no names but `localhost`.
///
/// An IPv4 address is a number in host byte order (127.0.0.1 is 0x7F000001), an IPv6 address 16 bytes in network order.
public enum ListenAddress: Codable, Equatable, Sendable {
    /// `8080`: both families in one dual-stack socket if the kernel has IPv6, else IPv4.
    case tcpAny(port: UInt16)
    case tcp4(address: UInt32, port: UInt16)
    case tcp6(address: [UInt8], scope: UInt32, port: UInt16)
    case udpAny(port: UInt16)
    case udp4(address: UInt32, port: UInt16)
    case udp6(address: [UInt8], scope: UInt32, port: UInt16)
    /// A path, or `@name` for an abstract one.
    case unix(path: String)
}
