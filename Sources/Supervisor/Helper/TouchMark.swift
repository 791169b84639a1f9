// Names whose things the helper touches, where the daemon can read it when the helper does not come back: it alone
// knows what it was about, and can't say so any more.
internal import CLinux
internal import Glibc

final class TouchMark {
    private let file: FileDescriptor?
    private var last = TouchSubject.nobody

    /// - Parameter file: in memory, and open for the daemon too; nil: nobody wants to know.
    init(_ file: consuming FileDescriptor?) { self.file = file }

    static func make() throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: try checked("memfd_create") { rl_memory_file("reloaderd-touch") })
    }

    /// What comes next touches what belongs to `subject`.
    func touch(_ subject: TouchSubject) {
        if subject == last { return }
        last = subject
        switch file {
        case .some(let file):
            var word = subject.word
            // A file in memory takes eight bytes, or the daemon blames nobody.
            _ = pwrite(file.number, &word, 8, 0)
        case .none: break
        }
    }

    static func read(_ number: Int32) -> TouchSubject {
        var word: UInt64 = 0
        return pread(number, &word, 8, 0) == 8 ? TouchSubject(word: word) : .nobody
    }
}
