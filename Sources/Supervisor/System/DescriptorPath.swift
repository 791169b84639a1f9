// Where a descriptor leads: proc(5), /proc/self/fd.
internal import Glibc

/// The path of an open file, without symbolic links; nil where it has none, is deleted, or /proc is not mounted.
func pathOfDescriptor(_ number: Int32) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/fd/\(number)", &buffer, buffer.count)
    guard count > 0, count < buffer.count, buffer[0] == CChar(UInt8(ascii: "/")) else { return nil }
    return String(validating: buffer[..<count].lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
