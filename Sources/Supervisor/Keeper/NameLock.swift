// The lock by which no two daemons have one name at the same time. The kernel knows who holds it, and takes it from a
// process that is gone, however that has ended.
internal import CLinux
internal import Glibc

final class NameLock {
    /// Another daemon of this name may end while this one starts, and remove the file that was opened.
    private static let attemptsMax = 16

    let path: String
    /// The lock is lost with the first descriptor of the file that this process closes: nothing else may open it.
    let descriptor: FileDescriptor

    /// Why there is no lock.
    enum Failure: Error {
        /// nil: the kernel does not say by which process.
        case isHeld(by: Int32?)
        case failed(SystemError)
    }

    /// - Parameter path: the lock's file, which is made if there is none. Nobody else may open it.
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

    /// Removes the file; the lock goes with the process. Whoever has opened the file meanwhile sees that it is removed.
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
            var lock = wholeFile
            try checked("fcntl", path) { fcntl(number, F_SETLK, &lock) }
            var status = stat()
            try checked("fstat", path) { fstat(number, &status) }
            if status.st_nlink == 0 { return nil }
        } catch {
            guard error.errno == EAGAIN || error.errno == EACCES else { throw .failed(error) }
            throw .isHeld(by: holder(number))
        }
        return file
    }

    private static var wholeFile: flock {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        return lock
    }

    private static func holder(_ number: Int32) -> Int32? {
        var lock = wholeFile
        guard fcntl(number, F_GETLK, &lock) == 0, lock.l_type != Int16(F_UNLCK), lock.l_pid > 0 else { return nil }
        return lock.l_pid
    }
}
