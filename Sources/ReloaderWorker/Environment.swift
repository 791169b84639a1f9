// The environment of this process. Not safe while other threads read or write it: see environ(7), setenv(3).
import Glibc

enum Environment {
    /// The variables that the kit reads.
    static func variables() -> [String: String] {
        var variables: [String: String] = [:]
        for name in Inheritance.consumedVariables + ["RELOADERD_SLOT", "RELOADERD_GENERATION", "RELOADERD_WORKERS"] {
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }
        return variables
    }

    /// unsetenv(3) fails only for invalid names, and these are valid.
    static func unset(_ names: [String]) {
        for name in names { unsetenv(name) }
    }
}
