// The one reader of the files that the kernel writes: /proc and control groups. Each read has a bound, and a file that
// can't be read is no error: its process has just ended or belongs to another user, or /proc is not mounted.
internal import Glibc

enum ProcFile {
    /// Most files are far smaller; more of an environment or of a list of processes is not needed.
    static let bytesMax = 1 << 20
    /// What the kernel usually returns for one read.
    private static let chunkBytes = 4096

    /// The whole file; nil if it can't be read, or is larger than `bytesMax`: a part of it would be mistaken for the
    /// whole.
    static func bytes(_ path: String, atMost bytesMax: Int = bytesMax) -> [UInt8]? {
        guard let bytes = beginning(of: path, atMost: bytesMax + 1), bytes.count <= bytesMax else { return nil }
        return bytes
    }

    /// The first bytes of the file, at most `bytesMax`; nil if it can't be read.
    static func beginning(of path: String, atMost bytesMax: Int) -> [UInt8]? {
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if number < 0 { return nil }
        let file = FileDescriptor(owning: number)
        let descriptor = file.number
        var chunk = [UInt8](repeating: 0, count: min(bytesMax, chunkBytes))
        var bytes: [UInt8] = []
        while bytes.count < bytesMax {
            let count = Glibc.read(descriptor, &chunk, min(chunk.count, bytesMax - bytes.count))
            if count < 0 && errno == EINTR { continue }
            if count < 0 { return nil }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return bytes
    }

    /// Reads once, into the caller's buffer: for short files that are read often. nil if the file can't be read or is
    /// empty.
    static func read(_ path: String, into buffer: UnsafeMutableRawBufferPointer) -> UnsafeRawBufferPointer? {
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if number < 0 { return nil }
        let file = FileDescriptor(owning: number)
        let count = Glibc.read(file.number, buffer.baseAddress, buffer.count)
        return count > 0 ? UnsafeRawBufferPointer(rebasing: buffer[..<count]) : nil
    }

    static func text(_ path: String, atMost bytesMax: Int = bytesMax) -> String? {
        bytes(path, atMost: bytesMax).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The lines of the file; none if it can't be read.
    static func lines(_ path: String, atMost bytesMax: Int = bytesMax) -> [Substring] {
        text(path, atMost: bytesMax)?.split(separator: "\n") ?? []
    }

    /// What follows `name` in its line of the file, without the blanks between.
    static func field(_ name: String, in path: String) -> Substring? {
        let line = lines(path).first { $0.hasPrefix(name) }
        return line.map { $0.dropFirst(name.count).drop { $0 == "\t" || $0 == " " } }
    }

    /// The names in a directory, without hidden ones.
    static func names(in directory: String) -> [String] { (try? entries(of: directory)) ?? [] }

    /// The names in a directory, without hidden ones; empty if the directory does not exist or may not be read.
    ///
    /// - Throws: a shortage (`SystemError.isShortage`), which says nothing about the directory.
    static func entries(of directory: String) throws(SystemError) -> [String] {
        guard let stream = opendir(directory) else {
            let error = SystemError(call: "opendir", errno: errno, subject: directory)
            if error.isShortage { throw error }
            return []
        }
        defer { closedir(stream) }
        return entryNames(stream).filter { !$0.hasPrefix(".") }
    }

    /// The target of a symbolic link, cut after 63 bytes.
    static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = readlink(path, &buffer, buffer.count - 1)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
