// `NAME=SOFT[:HARD]`, as `--rlimit` takes it. The names are those of setrlimit(2) in small letters; sizes and times
// have the units that people write.
internal import Glibc

private enum ResourceUnit {
    case bytes
    case count(max: UInt64)
    case seconds
    case microseconds
}

/// fs.nr_open cannot be set higher than this on any kernel, so that there are no `unlimited` descriptors.
private let openFilesMax: UInt64 = 1 << 30
/// PID_MAX_LIMIT of 64-bit kernels, which never have more processes.
private let processesMax: UInt64 = 1 << 22
/// No machine has memory for more queued signals or locks.
private let kernelObjectsMax: UInt64 = 1 << 32
/// setrlimit(2): the ceiling of nice is 20 minus the limit, so 1 ... 40 stand for 19 ... -20.
private let niceCeilingMax: UInt64 = 40
/// The highest real-time priority, sched(7).
private let realTimePriorityMax: UInt64 = 99

private let resources: [(name: String, resource: __rlimit_resource, unit: ResourceUnit)] = [
    ("as", RLIMIT_AS, .bytes), ("core", RLIMIT_CORE, .bytes), ("cpu", RLIMIT_CPU, .seconds),
    ("data", RLIMIT_DATA, .bytes), ("fsize", RLIMIT_FSIZE, .bytes),
    ("locks", __RLIMIT_LOCKS, .count(max: kernelObjectsMax)), ("memlock", __RLIMIT_MEMLOCK, .bytes),
    ("msgqueue", __RLIMIT_MSGQUEUE, .bytes), ("nice", __RLIMIT_NICE, .count(max: niceCeilingMax)),
    ("nofile", RLIMIT_NOFILE, .count(max: openFilesMax)), ("nproc", __RLIMIT_NPROC, .count(max: processesMax)),
    ("rss", __RLIMIT_RSS, .bytes), ("rtprio", __RLIMIT_RTPRIO, .count(max: realTimePriorityMax)),
    ("rttime", __RLIMIT_RTTIME, .microseconds), ("sigpending", __RLIMIT_SIGPENDING, .count(max: kernelObjectsMax)),
    ("stack", RLIMIT_STACK, .bytes),
]

extension ResourceLimit {
    /// RLIM_INFINITY: no limit.
    public static let unlimited = UInt64.max

    /// Every name that `init(parsing:)` knows, in order.
    public static var names: [String] { resources.map { $0.name } }

    /// Parses `nofile=65536`, `core=0:unlimited`, `as=2G`, `cpu=30s`. One value sets both limits.
    ///
    /// - Throws: what is wrong with `text`, also if SOFT is above HARD.
    public init(parsing text: String) throws(ConfigurationError) {
        guard let (name, values) = cut(text, at: UInt8(ascii: "=")) else {
            throw ConfigurationError(
                "\(quoted(text)) has no value: write NAME=SOFT or NAME=SOFT:HARD, like nofile=65536")
        }
        let plainName = name.lowercased()
        guard let known = resources.first(where: { $0.name == plainName }) else {
            throw ConfigurationError(
                "\(quoted(name)) is not a limit: write one of \(Self.names.joined(separator: " "))")
        }
        let (softText, hardText) = cut(values, at: UInt8(ascii: ":")) ?? (values, values)
        let soft = try limitValue(softText, known.unit, of: known.name)
        let hard = try limitValue(hardText, known.unit, of: known.name)
        guard soft <= hard else {
            throw ConfigurationError("\(quoted(text)): the soft limit is above the hard limit")
        }
        self.init(resource: UInt32(known.resource.rawValue), soft: soft, hard: hard)
    }

    /// The resource's name in `--rlimit`.
    public var name: String {
        resources.first { UInt32($0.resource.rawValue) == resource }?.name ?? "\(resource)"
    }
}

private func limitValue(
    _ text: String, _ unit: ResourceUnit, of name: String
) throws(ConfigurationError) -> UInt64 {
    let isUnlimited = text == "unlimited" || text == "infinity"
    switch unit {
    case .bytes: return isUnlimited ? ResourceLimit.unlimited : try byteCount(parsing: text)
    case .count(let maximum):
        // The kernel refuses to take this limit on descriptors away; the other counts have a natural end.
        if isUnlimited && name == "nofile" {
            throw ConfigurationError("nofile cannot be unlimited: write a number, at most \(openFilesMax)")
        }
        if isUnlimited { return ResourceLimit.unlimited }
        return UInt64(try wholeNumber(text, in: 0...Int64(maximum)))
    case .seconds, .microseconds:
        if isUnlimited { return ResourceLimit.unlimited }
        let nanoseconds = UInt64(try Duration(parsing: text).nanoseconds)
        if case .microseconds = unit { return nanoseconds / 1_000 }
        guard nanoseconds % 1_000_000_000 == 0 else {
            throw ConfigurationError("\(quoted(text)): \(name) counts whole seconds")
        }
        return nanoseconds / 1_000_000_000
    }
}
