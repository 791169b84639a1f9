// The control sockets that there are, whether somebody listens or not.
import Glibc
import Supervisor

struct ControlSocket {
    /// The daemon's.
    let name: String
    let path: String

    /// By directory, then by name.
    static func all(in directories: [String]) -> [ControlSocket] {
        directories.flatMap { directory in
            names(in: directory).sorted().map { ControlSocket(name: $0, path: "\(directory)/\($0).sock") }
        }
    }

    /// A directory that is not there or not ours to read has none.
    private static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let file = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if file.hasSuffix(suffix) { names.append(String(file.dropLast(suffix.count))) }
        }
        return names
    }

    private static let suffix = ".sock"
}
