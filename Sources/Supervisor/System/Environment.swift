// The environment that workers start from. Kept as bytes: what the daemon inherited need not be UTF-8.
internal import Glibc

struct Environment {
    /// Variables that an outer supervisor set for this process alone. They never reach a worker, where they would name
    /// descriptors that are closed, or a socket that the worker must not talk to.
    static let outerNames: Set<String> = [
        "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE", "MAINPID",
        "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "UPSTART_FDS",
        "READY_FD", "RELOADERD_SLOT", "RELOADERD_GENERATION", "RELOADERD_WORKERS",
        "RELOADERD_NAME",
        "SERVER_STARTER_PORT", "SERVER_STARTER_GENERATION",
        "EINHORN_FD_COUNT", "EINHORN_FDS", "EINHORN_MASTER_PID", "EINHORN_SOCK_PATH", "EINHORN_SOCK_FD",
        "EINHORN_CHILD_INDEX",
        "NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID", "GUNICORN_FD", "GUNICORN_PID",
    ]

    /// `NAME=VALUE`, each name once. The order means nothing.
    private var entries: [[UInt8]] = []
    private var positions: [[UInt8]: Int] = [:]

    /// The environment of this process.
    static func inherited() -> Environment {
        var environment = Environment()
        var next = environ
        while let entry = next.pointee {
            let bytes = UnsafeBufferPointer(start: entry, count: strlen(entry)).map { UInt8(bitPattern: $0) }
            if let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > 0 {
                environment.set(Array(bytes[..<equals]), to: Array(bytes[(equals + 1)...]))
            }
            next += 1
        }
        return environment
    }

    subscript(name: String) -> String? {
        let name = Array(name.utf8)
        guard let position = positions[name] else { return nil }
        return String(decoding: entries[position][(name.count + 1)...], as: UTF8.self)
    }

    /// A copy without the variables that were meant for this process alone.
    func withoutOuterSupervisor() -> Environment {
        var environment = Environment()
        for entry in entries {
            guard let equals = entry.firstIndex(of: UInt8(ascii: "=")) else { continue }
            if Self.outerNames.contains(String(decoding: entry[..<equals], as: UTF8.self)) { continue }
            environment.set(Array(entry[..<equals]), to: Array(entry[(equals + 1)...]))
        }
        return environment
    }

    mutating func set(_ name: String, to value: String) { set(Array(name.utf8), to: Array(value.utf8)) }

    mutating func remove(_ name: String) {
        let name = Array(name.utf8)
        guard let position = positions.removeValue(forKey: name) else { return }
        entries.remove(at: position)
        for (other, index) in positions where index > position { positions[other] = index - 1 }
    }

    var strings: [[UInt8]] { entries }

    private mutating func set(_ name: [UInt8], to value: [UInt8]) {
        let entry = name + [UInt8(ascii: "=")] + value
        if let position = positions[name] {
            entries[position] = entry
        } else {
            positions[name] = entries.count
            entries.append(entry)
        }
    }
}
