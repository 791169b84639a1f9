// Where the daemon was started, by the name that its user knows it by: whoever says `cd current && reloaderd ./app` means
// the link, and so a reload follows it to the new release.
import Glibc
import Supervisor

struct StartDirectory: ExpressibleByStringLiteral {
    /// Empty where the kernel cannot tell (the directory is gone): relative paths then stay relative.
    let path: String
    /// It is a name that the user has given it, which may lead elsewhere later.
    let isNamed: Bool

    init(_ path: String, isNamed: Bool = false) {
        self.path = path
        self.isNamed = isNamed
    }

    init(stringLiteral path: String) { self.init(path) }

    /// This process' own: what PWD says, if that leads here, else what the kernel says.
    static func current() -> StartDirectory {
        if let name = getenv("PWD"), let path = String(validatingCString: name), leadsHere(path) {
            return StartDirectory(path, isNamed: true)
        }
        guard let path = getcwd(nil, 0) else { return StartDirectory("") }
        defer { free(path) }
        return StartDirectory(String(cString: path))
    }

    private static func leadsHere(_ path: String) -> Bool {
        var named = stat()
        var here = stat()
        return path.utf8.first == UInt8(ascii: "/") && stat(path, &named) == 0 && stat(".", &here) == 0
            && named.st_dev == here.st_dev && named.st_ino == here.st_ino
    }

    func absolute(_ relative: String) -> String {
        if relative.utf8.first == UInt8(ascii: "/") || path.isEmpty { return relative }
        return path.utf8.last == UInt8(ascii: "/") ? path + relative : "\(path)/\(relative)"
    }

    /// What is read again at each reload follows the name, too.
    func anchor(_ program: inout Program) {
        program.environmentFiles = program.environmentFiles.map(absolute)
        program.workingDirectory = program.workingDirectory.map(absolute) ?? (isNamed ? path : nil)
    }
}
