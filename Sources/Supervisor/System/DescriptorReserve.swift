// Descriptors that are held for nothing. When the process is at its limit of open files, or the machine is, they are
// given up for what must be possible still.
internal import CLinux
internal import Glibc

/// Open files, not copies of one: the machine counts files.
final class DescriptorReserve {
    private final class Place {
        private let held: FileDescriptor
        init(_ held: consuming FileDescriptor) { self.held = held }
    }

    private let size: Int
    private var places: [Place] = []

    /// Below this limit of open files, a small pool needs all of them.
    private static let limitMin = 256

    /// - Parameter size: how many are held, if the limit of open files spares them.
    init(_ size: Int) {
        self.size = FileDescriptor.limit < Self.limitMin ? 0 : size
        refill()
    }

    /// Carries `body` out with all descriptors of the reserve free for it, and takes back those that it leaves.
    func lend<Result: ~Copyable, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        places = []
        defer { refill() }
        return try body()
    }

    /// Frees one descriptor; false if none is held.
    func giveOne() -> Bool { places.popLast() != nil }

    /// Takes what the reserve lacks, as far as it is there.
    func refill() {
        while places.count < size {
            let number = rl_open_path(AT_FDCWD, "/")
            if number < 0 { return }
            places.append(Place(FileDescriptor(owning: number)))
        }
    }
}
