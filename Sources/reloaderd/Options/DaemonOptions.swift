// All options of the daemon, in the order in which --help, the manual and the README show them.
import Reloader
import Supervisor

enum DaemonOptions {
    static let all: [Option] = pool + listeners + sharing + reload + stop + crashes + worker + daemon

    private static let pool: [Option] = [
        Option("workers", short: "w", value: "auto|N", default: "auto", .pool, "how many; auto: one per usable CPU") {
            (text, draft) throws(ConfigurationError) in draft.settings.workers = try parseWorkers(text)
        },
        Option("pin", .pool, "bind each worker to one CPU, in turn") {
            (_, draft) throws(ConfigurationError) in draft.settings.program.pinsCPUs = true
        },
    ]

    private static let listeners: [Option] = [
        Option(
            "listen", short: "l", value: "[NAME=]ADDRESS", repeatable: true, .listeners,
            "8080, [::1]:8080, unix:/path, udp:5353, ..."
        ) {
            (text, draft) throws(ConfigurationError) in
            draft.settings.listeners.append(try ListenSpec(parsing: text))
        },
        Option("backlog", value: "N", default: "4096", .listeners, "connections that may wait on each") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.backlog = try wholeNumber(text, in: Bounds.backlog)
        },
        Option(
            "balance", value: "shared|slot", default: "shared", .listeners, "one queue for all workers or per slot"
        ) {
            (text, draft) throws(ConfigurationError) in
            draft.settings.balance = try parseWord(text, [("shared", .shared), ("slot", .slot)])
        },
    ]

    private static let sharing: [Option] = [
        Option(
            "no-share", value: "ADDRESS", valueOptional: true, repeatable: true, .sharing,
            "share no port, or not this one"
        ) {
            (text, draft) throws(ConfigurationError) in
            if text.isEmpty {
                draft.settings.sharesPorts = false
            } else {
                draft.settings.unsharedPorts.append(try parseUnshared(text))
            }
        },
        Option(
            "share", value: "udp|PORT", repeatable: true, .sharing, "share UDP ports, or allow a privileged port"
        ) {
            (text, draft) throws(ConfigurationError) in
            switch try parseShared(text) {
            case .udp: draft.settings.sharesUDP = true
            case .port(let port): draft.settings.permittedPorts.insert(port)
            }
        },
    ]

    private static let reload: [Option] = [
        Option(
            "ready", value: "auto|message|listen|DURATION", default: "auto", .reload,
            "what makes a starting worker ready"
        ) {
            (text, draft) throws(ConfigurationError) in draft.settings.ready = try parseReady(text)
        },
        Option("ready-timeout", value: "DURATION", default: "60s", .reload, "not ready by then: failed to start") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.policy.readyTimeout = try parseDuration(text, atLeast: Bounds.readyTimeoutMin)
        },
        Option("surge", value: "N|N%", default: "25%", .reload, "replacements in flight at once") {
            (text, draft) throws(ConfigurationError) in draft.settings.surge = try parseSurge(text)
        },
        Option(
            "soak", value: "DURATION", default: "0s", .reload, "a replacement stays ready first"
        ) {
            (text, draft) throws(ConfigurationError) in draft.settings.policy.soak = try parseDuration(text)
        },
    ]

    private static let stop: [Option] = [
        Option(
            "drain", value: "auto|signal|outside", default: "auto", .stop,
            "by the worker itself, or from outside"
        ) {
            (text, draft) throws(ConfigurationError) in
            draft.settings.drain = try parseWord(
                text, [("auto", .automatic), ("signal", .signal), ("outside", .outside)])
        },
        Option("drain-timeout", value: "DURATION", default: "30s", .stop, "from outside: then the stop signal") {
            (text, draft) throws(ConfigurationError) in draft.settings.drainTimeout = try parseDuration(text)
        },
        Option("drain-idle", value: "DURATION", default: "50ms", .stop, "from outside: idle at least this long") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.drainIdle = try parseDuration(text, in: Bounds.drainIdle)
        },
        Option("stop-signal", value: "SIGNAL", default: "TERM", .stop, "asks a worker to finish") {
            (text, draft) throws(ConfigurationError) in draft.settings.stopSignal = try parseStopSignal(text)
        },
        Option("stop-timeout", value: "DURATION", default: "30s", .stop, "from the stop signal to KILL") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.policy.stopTimeout = try parseDuration(text, atLeast: Bounds.stopTimeoutMin)
        },
        Option("keep-children", .stop, "processes in sessions of their own live on") {
            (_, draft) throws(ConfigurationError) in draft.settings.keepsChildren = true
        },
    ]

    private static let crashes: [Option] = [
        Option("backoff", value: "DURATION", default: "100ms", .crashes, "delay after a failure, then doubled") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.policy.backoffBase = try parseDuration(text, atLeast: Bounds.backoffMin)
        },
        Option("backoff-cap", value: "DURATION", default: "30s", .crashes, "the longest delay") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.policy.backoffCap = try parseDuration(text, atLeast: Bounds.backoffMin)
        },
        Option("backoff-reset", value: "DURATION", default: "10s", .crashes, "ready this long: restarts at once") {
            (text, draft) throws(ConfigurationError) in draft.settings.policy.backoffReset = try parseDuration(text)
        },
        Option("give-up", value: "never|N/DURATION", default: "never", .crashes, "end after N failures in DURATION") {
            (text, draft) throws(ConfigurationError) in draft.settings.policy.giveUp = try parseGiveUp(text)
        },
        Option("watchdog", value: "off|DURATION", default: "off", .crashes, "replace a worker silent this long") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.policy.watchdog = text == "off" ? nil : try parseDuration(text, atLeast: Bounds.watchdogMin)
        },
        Option("max-age", value: "off|DURATION", default: "off", .crashes, "replace a worker ready this long") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.policy.maxAge = text == "off" ? nil : try parseDuration(text, atLeast: Bounds.maxAgeMin)
        },
        Option("max-memory", value: "off|SIZE", default: "off", .crashes, "replace a worker that takes more") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.maxMemory = text == "off" ? nil : try parseMaxMemory(text)
        },
    ]

    private static let worker: [Option] = [
        Option("chdir", short: "C", value: "DIR", .worker, "working directory; followed at each reload") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.program.workingDirectory = try parsePath(text)
        },
        Option("env-file", value: "FILE", repeatable: true, .worker, "NAME=VALUE lines; read at each reload") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.program.environmentFiles.append(try parsePath(text))
        },
        Option(
            "env", short: "e", value: "NAME[=VALUE]", repeatable: true, .worker, "set a variable; NAME alone removes it"
        ) {
            (text, draft) throws(ConfigurationError) in
            draft.settings.program.environment.append(try EnvironmentChange(parsing: text))
        },
        Option("user", short: "u", value: "USER[:GROUP]", .worker, "run as this user, by name or number") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.program.user = try draft.users.user(parsing: text)
        },
        Option("group", value: "GROUP", .worker, "run with this primary group") {
            (text, draft) throws(ConfigurationError) in draft.group = try draft.users.group(parsing: text)
        },
        Option("require-user", .worker, "run nothing as root unless --user says so") {
            (_, draft) throws(ConfigurationError) in draft.requiresUser = true
        },
        Option("umask", value: "OCTAL", .worker, "permissions that new files do not get") {
            (text, draft) throws(ConfigurationError) in draft.settings.program.umask = try parseUmask(text)
        },
        Option("rlimit", value: "NAME=SOFT[:HARD]", repeatable: true, .worker, "nofile=65536, core=0:unlimited, as=2G")
        {
            (text, draft) throws(ConfigurationError) in
            let limit = try ResourceLimit(parsing: text)
            draft.settings.program.resourceLimits.removeAll { $0.resource == limit.resource }
            draft.settings.program.resourceLimits.append(limit)
        },
        Option("nice", value: "N", .worker, "scheduling priority, -20 (first) to 19 (last)") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.program.nice = try wholeNumber(text, in: Bounds.nice)
        },
    ]

    private static let daemon: [Option] = [
        Option(
            "config", short: "c", value: "FILE", forFiles: false, .daemon,
            "options from a file; read at each reload"
        ) {
            (text, draft) throws(ConfigurationError) in draft.configFile = try parsePath(text)
        },
        Option("name", value: "NAME", .daemon, "the daemon's name; default: PROGRAM's base name") {
            (text, draft) throws(ConfigurationError) in draft.settings.name = try parseName(text)
        },
        Option("control", value: "PATH|none", .daemon, "its socket; default: in the runtime directory") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.control = text == "none" ? .none : .path(try parsePath(text))
        },
        Option("control-group", value: "GROUP", .daemon, "members may use the control socket, too") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.controlGroup = try draft.users.group(parsing: text)
        },
        Option("pid-file", value: "FILE", .daemon, "holds the daemon's PID while it runs") {
            (text, draft) throws(ConfigurationError) in draft.settings.pidFile = try parsePath(text)
        },
        Option("cgroup", .daemon, "a control group (cgroup v2) for each worker") {
            (_, draft) throws(ConfigurationError) in draft.settings.hasGroups = true
        },
        Option("memory-limit", value: "off|SIZE", default: "off", .daemon, "with --cgroup: the kernel kills above it") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.memoryLimit = text == "off" ? nil : try parseMaxMemory(text)
        },
        Option("orphans", value: "auto|keep|stop", default: "auto", .daemon, "workers of a daemon that was killed") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.orphans = try parseWord(text, [("auto", .automatic), ("keep", .keep), ("stop", .stop)])
        },
        Option(
            "output", value: "relay|inherit|prefix|file:PATH", default: "relay", .daemon,
            "where the output of workers goes"
        ) {
            (text, draft) throws(ConfigurationError) in draft.settings.output = try parseOutput(text)
        },
        Option(
            "log-format", value: "auto|pretty|text|json", default: "auto", .daemon,
            "auto: pretty on a terminal, else text"
        ) {
            (text, draft) throws(ConfigurationError) in
            draft.settings.logFormat = try parseWord(
                text, [("auto", nil), ("pretty", .pretty), ("text", .text), ("json", .json)])
        },
        Option("on-event", value: "COMMAND", .daemon, "run by /bin/sh at each event, told on stdin") {
            (text, draft) throws(ConfigurationError) in draft.settings.onEvent = try parseShellCommand(text)
        },
        Option("on-event-timeout", value: "DURATION", default: "10s", .daemon, "then the command is killed") {
            (text, draft) throws(ConfigurationError) in
            draft.settings.onEventTimeout = try parseDuration(text, in: Bounds.onEventTimeout)
        },
        Option("check", forFiles: false, .daemon, "report problems, or OK; start nothing") {
            (_, draft) throws(ConfigurationError) in if draft.action == .run { draft.action = .check }
        },
        Option("help", short: "h", forFiles: false, .daemon, "print this text") {
            (_, draft) throws(ConfigurationError) in if draft.action != .version { draft.action = .help }
        },
        Option("version", short: "V", forFiles: false, .daemon, "print the version") {
            (_, draft) throws(ConfigurationError) in if draft.action != .help { draft.action = .version }
        },
    ]
}
