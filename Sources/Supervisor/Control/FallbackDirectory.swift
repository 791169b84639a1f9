// Where the control sockets of an ordinary user's daemons are if nothing says where: after su, under cron, in a
// container. Anybody may write into /tmp, so what is there under the name is looked at by both sides before it is
// trusted.
internal import Glibc

public enum FallbackDirectory {
    /// Of this process' user.
    public static var path: String { "/tmp/reloaderd-\(geteuid())" }

    /// Why it is not this user's alone; nil: it is. One that is not there is a problem as well.
    public static func problem() -> String? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return String(cString: strerror(errno)) }
        guard status.st_mode & S_IFMT == S_IFDIR else { return "it is not a directory" }
        guard status.st_uid == geteuid() else { return "it belongs to user \(status.st_uid)" }
        return status.st_mode & 0o077 == 0 ? nil : "others may enter it"
    }
}
