// Where daemons put their control sockets, seen from this user.
import Glibc
import Supervisor

enum RuntimeDirectories {
    /// The one in which a daemon started just so would put its own; the one of those that were started without a name for
    /// it; then that of root's daemons, whose --control-group may have let us in.
    static var all: [String] {
        var directories = [own].compactMap { $0 }
        if geteuid() != 0, FallbackDirectory.problem() == nil { directories.append(FallbackDirectory.path) }
        if !directories.contains(ofRoot) { directories.append(ofRoot) }
        return directories
    }

    /// Those that are there and closed to this user, in words.
    static var closed: [String] {
        all.compactMap { directory in
            let isClosed = access(directory, R_OK | X_OK) != 0 && errno == EACCES
            return isClosed ? "may not look into \(printable(directory)): \(String(cString: strerror(EACCES)))" : nil
        }
    }

    private static let ofRoot = "/run/reloaderd"

    private static var own: String? {
        // A list, under systemd with several.
        if let directory = variable("RUNTIME_DIRECTORY")?.split(separator: ":").first { return String(directory) }
        if geteuid() == 0 { return ofRoot }
        return variable("XDG_RUNTIME_DIR").map { "\($0)/reloaderd" }
    }

    private static func variable(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
