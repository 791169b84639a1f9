// The state on its way from one program to the next: a file in memory, sealed, so that whoever reads it knows that
// nobody can change it meanwhile.
internal import CLinux
internal import Glibc

struct StateFile: ~Copyable {
    let descriptor: FileDescriptor

    /// Writes the rows, and seals the file.
    init(_ rows: [StateRow]) throws(SystemError) {
        let file = FileDescriptor(owning: try checked("memfd_create") { rl_memory_file("reloaderd-state") })
        let number = file.number
        var rest = StateFormat.write(rows)[...]
        while !rest.isEmpty {
            let count = try checked("write", "memfd") {
                rest.withUnsafeBytes { write(number, $0.baseAddress, $0.count) }
            }
            rest = rest.dropFirst(count)
        }
        try checked("fcntl", "F_ADD_SEALS") { rl_seal_memory_file(number) }
        descriptor = file
    }

    consuming func takeDescriptor() -> FileDescriptor { descriptor }

    /// The rows in a file that `init` has written, here or in another process.
    static func read(_ number: Int32) throws(StateError) -> [StateRow] {
        guard rl_is_sealed(number) else { throw StateError("descriptor \(number) is not a sealed state") }
        var status = stat()
        guard fstat(number, &status) == 0, 0...StateFormat.bytesMax ~= Int(status.st_size) else {
            throw .malformed("it is too large")
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var done = 0
        while done < bytes.count {
            let (start, size) = (done, bytes.count)
            do throws(SystemError) {
                let count = try checked("pread", "memfd") {
                    bytes.withUnsafeMutableBytes {
                        pread(number, $0.baseAddress.map { $0 + start }, size - start, off_t(start))
                    }
                }
                if count == 0 { throw SystemError(call: "pread", errno: EIO, subject: "memfd") }
                done += count
            } catch { throw StateError(error) }
        }
        return try StateFormat.read(bytes)
    }
}
