// What the daemon does to its own process once, before anything else.
internal import CLinux
internal import Glibc

/// Opens /dev/null wherever descriptor 0, 1 or 2 is closed: none of the daemon's sockets may ever get such a number.
func openStandardDescriptors() throws(SystemError) {
    while true {
        let number = try checked("open", "/dev/null") { open("/dev/null", O_RDWR) }
        if number <= 2 { continue }
        close(number)
        return
    }
}

/// Raises the soft limit of open files to the hard limit (a pool of 1,000 workers needs 4,000) and returns the old
/// limit, which workers get back: programs that use select(2) break above 1,024.
func raiseFileLimit() throws(SystemError) -> ResourceLimit {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    try checked("setrlimit", "RLIMIT_NOFILE") { rl_file_descriptor_limit_raise(&soft, &hard) }
    return ResourceLimit(resource: UInt32(RLIMIT_NOFILE.rawValue), soft: soft, hard: hard)
}

/// Returns a seed for jitter: daemons that were started at the same time must not retry at the same time.
func randomSeed() throws(SystemError) -> UInt64 {
    var seed: UInt64 = 0
    try checked("getrandom") { getrandom(&seed, 8, 0) }
    return seed
}

/// One call of setrlimit(2), with the kernel's numbers and units.
public struct ResourceLimit: Codable, Equatable, Sendable {
    /// The kernel's number of RLIMIT_NOFILE or another limit.
    public var resource: UInt32
    /// `ResourceLimit.unlimited` means no limit.
    public var soft: UInt64
    public var hard: UInt64

    public init(resource: UInt32, soft: UInt64, hard: UInt64) {
        self.resource = resource
        self.soft = soft
        self.hard = hard
    }
}
