// The lock by which no two daemons have one name at the same time. The kernel takes it from a process that is gone,
// however that has ended. The file has the PID of the holder, for people.
internal import CLinux
internal import Glibc

final class NameLock {
    /// Another daemon of this name may end while this one starts, and remove the file that was opened.
    private static let attemptsMax = 16

    let path: String
    /// The lock is held as long as this descriptor, or a duplicate of it, is open. Starting processes get none.
    let descriptor: FileDescriptor

    /// Why there is no lock.
    enum Failure: Error {
        /// nil: it has just begun to hold it.
        case isHeld(by: Int32?)
        case failed(SystemError)
    }

    /// - Parameter path: the lock's file, which is made if there is none. Only its owner may open it.
    init(at path: String) throws(Failure) {
        self.path = path
        for _ in 0..<Self.attemptsMax {
            if let locked = try Self.lock(path) {
                descriptor = locked
                return
            }
        }
        throw .isHeld(by: nil)
    }

    /// Takes over the descriptor of a lock that this process holds: it keeps it when it executes another program.
    init(held descriptor: consuming FileDescriptor, at path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Removes the file; the lock goes with the process. A daemon that has opened the file meanwhile sees that it is
    /// removed.
    func remove() throws(SystemError) { try checked("unlink", path) { unlink(path) } }

    /// nil: the file was removed meanwhile.
    private static func lock(_ path: String) throws(Failure) -> FileDescriptor? {
        let number: Int32
        let file: FileDescriptor
        do throws(SystemError) {
            file = try SafeFile.own(path, mode: 0o600).moved()
            number = file.number
        } catch { throw .failed(error) }
        do throws(SystemError) {
            try checked("flock", path) { flock(number, LOCK_EX | LOCK_NB) }
            var status = stat()
            try checked("fstat", path) { fstat(number, &status) }
            if status.st_nlink == 0 { return nil }
            let text = Array("\(getpid())\n".utf8)
            try checked("ftruncate", path) { ftruncate(number, 0) }
            try checked("write", path) { pwrite(number, text, text.count, 0) }
        } catch {
            guard error.call == "flock", error.errno == EWOULDBLOCK else { throw .failed(error) }
            throw .isHeld(by: holder(number))
        }
        return file
    }

    private static func holder(_ number: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(number, &bytes, bytes.count, 0)
        return Int32(String(decoding: bytes[..<max(0, count)].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}
