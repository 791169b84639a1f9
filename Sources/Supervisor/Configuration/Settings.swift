// Everything that a person may choose, already parsed and checked. Plain values: reading them does nothing.
public import Reloader

/// What the command line (and the config file) said. `reloaderd` makes it, the daemon obeys it.
public struct Settings: Equatable, Sendable {
    public var program = Program()
    public var policy = Policy()
    /// How many workers; resolved into `policy.workers` when the daemon starts and at each reload.
    public var workers: WorkerCount = .automatic
    /// Resolved into `policy.surge` when the number of workers is known.
    public var surge: SurgeChoice = .percent(25)
    /// In order of the command line: the first is descriptor 3 of each worker.
    public var listeners: [ListenSpec] = []
    /// Length of each accept queue, 1 ... 65535; the kernel caps it at net.core.somaxconn.
    public var backlog: Int32 = 4096
    public var ready: ReadyChoice = .automatic
    /// Workers that bind their own ports share them; only where no listeners are passed to them.
    public var sharesPorts = true
    /// Ports that stay each worker's own.
    public var unsharedPorts: [ListenAddress] = []
    /// UDP ports are shared as well as TCP ports.
    public var sharesUDP = false
    public var balance: BalanceMode = .shared
    public var drain: DrainChoice = .automatic
    /// From the start of a drain from outside to the stop signal, at most.
    public var drainTimeout: Duration = .seconds(30)
    /// A drain from outside closes no connection that was used after less silence than this.
    public var drainIdle: Duration = .milliseconds(50)
    /// Bytes; a worker that takes more, with the processes that it started, is replaced by a new one. nil: no limit.
    public var maxMemory: UInt64?
    /// Signal that asks a worker to finish.
    public var stopSignal: Int32 = 15
    /// What a worker has started in a session of its own may outlive it.
    public var keepsChildren = false
    public var output: OutputMode = .relay
    public var logFormat: LogFormat = .text
    /// Run by /bin/sh -c at each event; nil: none.
    public var onEvent: String?
    /// A run of it that takes longer is killed.
    public var onEventTimeout: Duration = .seconds(10)
    /// Name of this daemon in the log, of its control socket and its history; nil: the program's base name.
    public var name: String?
    public var control: ControlChoice = .automatic
    /// Its members may use the control socket, too.
    public var controlGroup: UInt32?
    /// Written once the listeners are open, removed at the end.
    public var pidFile: String?

    public init() {}

    /// `name`, or what stands for it: the program's base name.
    public var daemonName: String {
        let path = program.path
        let base =
            path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[path.utf8.index(after: $0)...]) } ?? path
        return name ?? base
    }
}

/// The program and the surroundings that each of its workers starts in. A generation is this, pinned.
public struct Program: Equatable, Sendable {
    /// A path, or a bare name looked up in the workers' PATH.
    public var path = ""
    /// The arguments after argv[0].
    public var arguments: [String] = []
    /// nil: the daemon's own at its start. Symbolic links are followed when a generation is made.
    public var workingDirectory: String?
    /// Files of `NAME=VALUE` lines, read when a generation is made; later ones win.
    public var environmentFiles: [String] = []
    /// Wins over the files; in order, `NAME` and `VALUE`; a nil value removes the variable.
    public var environment: [EnvironmentChange] = []
    public var user: UserChoice?
    public var umask: UInt32?
    public var resourceLimits: [ResourceLimit] = []
    /// -20 ... 19.
    public var nice: Int32?
    /// One CPU a worker, by slot, in turn.
    public var pinsCPUs = false

    public init() {}
}

public struct EnvironmentChange: Equatable, Sendable {
    public var name: String
    public var value: String?

    public init(name: String, value: String?) {
        self.name = name
        self.value = value
    }
}

/// Who the workers run as. Groups not listed are dropped.
public struct UserChoice: Equatable, Sendable {
    public var userID: UInt32
    public var groupID: UInt32
    /// Supplementary groups, without `groupID` or with it.
    public var supplementaryGroups: [UInt32]
    /// For HOME, USER and LOGNAME; nil where only a number is known.
    public var name: String?
    public var home: String?

    public init(userID: UInt32, groupID: UInt32, supplementaryGroups: [UInt32], name: String?, home: String?) {
        self.userID = userID
        self.groupID = groupID
        self.supplementaryGroups = supplementaryGroups
        self.name = name
        self.home = home
    }
}

/// One setrlimit(2), in the kernel's own number of the resource and its own units.
public struct ResourceLimit: Equatable, Sendable {
    /// RLIMIT_NOFILE and so on, as the kernel numbers them.
    public var resource: UInt32
    /// `UInt64.max` is "unlimited".
    public var soft: UInt64
    public var hard: UInt64

    public init(resource: UInt32, soft: UInt64, hard: UInt64) {
        self.resource = resource
        self.soft = soft
        self.hard = hard
    }
}

public enum WorkerCount: Equatable, Sendable {
    /// The CPUs that the daemon may run on, or the cgroup's quota rounded up, whichever is less.
    case automatic
    case fixed(Int)
}

/// `--ready`: what makes a worker ready. A ready message always does.
public enum ReadyChoice: Equatable, Sendable {
    /// Its ready message where listeners are passed to it, else that it listens.
    case automatic
    case message
    case listening
    case after(Duration)
}

/// `--balance`: how connections to the listeners of `--listen` come to the workers.
public enum BalanceMode: Equatable, Sendable {
    /// All workers accept from the same ones.
    case shared
    /// Each slot has its own, and the kernel spreads connections over them.
    case slot
}

/// `--drain`: how a worker that serves is emptied.
public enum DrainChoice: Equatable, Sendable {
    /// By itself where listeners are passed to it, else from outside.
    case automatic
    case signal
    case outside
}

public enum OutputMode: Equatable, Sendable {
    /// Workers' stdout and stderr pass through the daemon to its own, byte for byte; their last lines are kept.
    case relay
    /// Workers write to the daemon's own stdout and stderr; nothing is kept.
    case inherit
    /// As `relay`, with slot and PID before each line.
    case prefix
    /// Lines of both go to the end of a file; kept as with `relay`.
    case file(path: String)
}

/// `--control`: where the control socket is.
public enum ControlChoice: Equatable, Sendable {
    /// In the runtime directory, by the daemon's name.
    case automatic
    case path(String)
    case none
}

public enum LogFormat: Equatable, Sendable {
    case text
    case json
}

/// One `--listen`: where, and what LISTEN_FDNAMES calls it.
public struct ListenSpec: Equatable, Sendable {
    public var address: ListenAddress
    /// At most 255 bytes of ASCII, without ':' or control characters; nil: "unknown", as systemd writes it.
    public var name: String?

    public init(address: ListenAddress, name: String? = nil) {
        self.address = address
        self.name = name
    }
}

/// Numeric addresses only: a static executable resolves no names but `localhost`.
///
/// An IPv4 address is a number in host byte order (127.0.0.1 is 0x7F000001), an IPv6 address 16 bytes in network order.
public enum ListenAddress: Equatable, Sendable {
    /// `8080`: both families where the kernel has IPv6 (one dual-stack socket), else IPv4.
    case tcpAny(port: UInt16)
    case tcp4(address: UInt32, port: UInt16)
    case tcp6(address: [UInt8], scope: UInt32, port: UInt16)
    case udpAny(port: UInt16)
    case udp4(address: UInt32, port: UInt16)
    case udp6(address: [UInt8], scope: UInt32, port: UInt16)
    /// A path, or `@name` for an abstract one.
    case unix(path: String)
}
