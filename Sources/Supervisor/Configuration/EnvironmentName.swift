// The rules for the name and the value of an environment variable.

/// The kernel's bound on one string of an environment, MAX_ARG_STRLEN, without its NUL.
let environmentStringBytesMax = 131_071

/// Whether each worker gets this variable from reloaderd, so that setting it has no effect.
public func isSetByReloaderd(_ name: String) -> Bool {
    ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "READY_FD", "NOTIFY_SOCKET", "WATCHDOG_USEC"].contains(name)
        || name.utf8.starts(with: "RELOADERD_".utf8)
}

extension EnvironmentChange {
    /// Parses `NAME=VALUE`, or `NAME` alone, which removes the variable.
    public init(parsing text: String) throws(ConfigurationError) {
        let (name, value) = cut(text, at: UInt8(ascii: "=")) ?? (text, nil)
        try self.init(checkingName: name, value: value)
    }

    /// - Throws: if `name` is not a name or is reloaderd's own, or if name and value are longer than the kernel allows.
    init(checkingName name: String, value: String?) throws(ConfigurationError) {
        guard isEnvironmentName(name) else {
            throw ConfigurationError(
                "\(quoted(name)) is not a variable's name: letters, digits and '_', '.', '-', not starting with a digit"
            )
        }
        if isSetByReloaderd(name) { throw ConfigurationError("\(printable(name)) is set by reloaderd itself") }
        if value?.utf8.contains(0) == true {
            throw ConfigurationError("the value of \(printable(name)) has a NUL byte")
        }
        // One byte more for the `=`.
        guard name.utf8.count + 1 + (value?.utf8.count ?? 0) <= environmentStringBytesMax else {
            throw ConfigurationError("\(printable(name)) is too long: the kernel takes at most 128K with its value")
        }
        self.init(name: name, value: value)
    }
}

/// Stricter than the kernel, to find typing errors, and more tolerant than the shell, because dots and dashes are in
/// use.
private func isEnvironmentName(_ name: String) -> Bool {
    func isLetter(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
            || byte == UInt8(ascii: "_")
    }
    guard let first = name.utf8.first, isLetter(first) else { return false }
    return name.utf8.allSatisfy { byte in
        isLetter(byte) || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "-")
    }
}
