// The lock by which no two daemons have one name at the same time. The kernel knows who holds it, and takes it from a
// process that is gone, however that has ended.
internal import CLinux
internal import Glibc

final class NameLock {
    /// The lock is lost with the first descriptor of the file that this process closes: nothing else may open it.
    let descriptor: FileDescriptor

    /// Why there is no lock.
    enum Failure: Error {
        /// nil: the kernel does not say by which process.
        case isHeld(by: Int32?)
        case failed(SystemError)
    }

    /// - Parameter path: the lock's file, which is made if there is none, and stays. Only its owner can lock it.
    init(at path: String) throws(Failure) {
        let file: FileDescriptor
        do throws(SystemError) { file = try SafeFile.own(path, mode: 0o600).moved() } catch { throw .failed(error) }
        let number = file.number
        do throws(SystemError) {
            var lock = Self.wholeFile
            try checked("fcntl", path) { fcntl(number, F_SETLK, &lock) }
        } catch {
            guard error.errno == EAGAIN || error.errno == EACCES else { throw .failed(error) }
            throw .isHeld(by: Self.holder(of: number))
        }
        descriptor = file
    }

    /// Takes over the descriptor of a lock that this process holds: it keeps it when it executes another program.
    init(held descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    private static var wholeFile: flock {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        return lock
    }

    private static func holder(of number: Int32) -> Int32? {
        var lock = wholeFile
        guard fcntl(number, F_GETLK, &lock) == 0, lock.l_type != Int16(F_UNLCK), lock.l_pid > 0 else { return nil }
        return lock.l_pid
    }
}
