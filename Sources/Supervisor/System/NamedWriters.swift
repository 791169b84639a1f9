// POSIX access lists, acl(5): who may write into a directory beside its owner, its group and everybody.
internal import CLinux
internal import Glibc

/// The users and groups that a file's access list names and lets write.
struct NamedWriters {
    private(set) var users: [UInt32] = []
    private(set) var groups: [UInt32] = []

    /// XATTR_SIZE_MAX: the kernel stores no longer list.
    private static let bytesMax = 65_536
    // As the kernel stores them, all numbers little-endian: the version in 4 bytes, and then 8 bytes an entry: its tag
    // (2), its permissions (2), and the user or group (4). See <linux/posix_acl_xattr.h>.
    private static let version = 2
    private static let versionBytes = 4
    private static let entryBytes = 8
    private static let userTag = 0x02
    private static let groupTag = 0x08
    private static let writeBit = 0x02

    /// - Throws: if the list can't be read. A file system without access lists has none.
    init(of file: borrowing FileDescriptor, _ status: stat, _ path: String) throws(SystemError) {
        // With an access list, these bits of the mode are its mask: nobody whom it names may do what they forbid.
        if status.st_mode & S_IWGRP == 0 { return }
        let number = file.number
        var bytes = [UInt8](repeating: 0, count: Self.bytesMax)
        let count: Int
        do throws(SystemError) {
            count = try checked("getxattr", path) { rl_access_list(number, &bytes, bytes.count) }
        } catch {
            if error.errno == ENODATA || error.errno == EOPNOTSUPP { return }
            throw error
        }
        try read(bytes[..<count], path)
    }

    private mutating func read(_ bytes: ArraySlice<UInt8>, _ path: String) throws(SystemError) {
        func number(_ place: Int, _ size: Int) -> Int {
            bytes[place..<place + size].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        guard bytes.count >= Self.versionBytes, number(0, Self.versionBytes) == Self.version else {
            throw SystemError(
                call: "getxattr", errno: EINVAL, subject: path,
                explanation: "its access list is of an unknown kind")
        }
        var place = Self.versionBytes
        while place + Self.entryBytes <= bytes.count {
            let (tag, mayWrite) = (number(place, 2), number(place + 2, 2) & Self.writeBit != 0)
            let id = UInt32(truncatingIfNeeded: number(place + 4, 4))
            if mayWrite && tag == Self.userTag { users.append(id) }
            if mayWrite && tag == Self.groupTag { groups.append(id) }
            place += Self.entryBytes
        }
    }
}
