// Arrays of C strings with one owner, in the shape that execve(2) takes.
internal import Glibc

/// Strings that stay at their addresses for as long as this object lives.
final class CStrings {
    /// The strings; no NULL at the end.
    private(set) var pointers: [UnsafeMutablePointer<CChar>?] = []

    init(_ strings: [[UInt8]]) {
        pointers.reserveCapacity(strings.count + 1)
        for string in strings { append(string) }
    }

    func append(_ bytes: [UInt8]) {
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
        copy[bytes.count] = 0
        pointers.append(copy)
    }

    deinit {
        for pointer in pointers { pointer?.deallocate() }
    }
}
