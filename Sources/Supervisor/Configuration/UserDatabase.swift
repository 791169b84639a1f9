// Reads users and groups from /etc/passwd and /etc/group, because a static executable cannot ask the name service. See
// passwd(5) and group(5). Numbers work without these files.
internal import Glibc

/// Looks up users and groups. Reads its files again for each question, so that a reload sees new users.
public struct UserDatabase: Sendable {
    /// More than the local users of any machine need. Keeps a wrong path from filling the memory.
    private static let bytesMax = 16 << 20
    /// The kernel's own bound on supplementary groups, NGROUPS_MAX.
    private static let groupsMax = 65_536
    /// For the kernel, (uid_t)-1 means "leave it as it is".
    private static let idMax = UInt64(UInt32.max) - 1

    public var passwdPath: String
    public var groupPath: String

    public init(passwdPath: String = "/etc/passwd", groupPath: String = "/etc/group") {
        self.passwdPath = passwdPath
        self.groupPath = groupPath
    }

    /// The user that `text`, `NAME|UID[:GROUP|GID]`, means.
    ///
    /// Without a group it is the one in passwd. A number that is not in passwd gets the group of the same number.
    /// Supplementary groups are those of /etc/group that list the user's name.
    /// - Throws: which name is missing, or which file cannot be read.
    public func user(parsing text: String) throws(ConfigurationError) -> UserChoice {
        let (userText, groupText) = cut(text, at: UInt8(ascii: ":")) ?? (text, nil)
        guard !userText.isEmpty else { throw ConfigurationError("a user is missing: write NAME, UID, or NAME:GROUP") }
        let entry = try passwdEntry(userText)
        var choice = UserChoice(userID: 0, groupID: 0, supplementaryGroups: [], name: entry?.name, home: entry?.home)
        if let entry {
            choice.userID = entry.userID
            choice.groupID = entry.groupID
            choice.supplementaryGroups = try groups(of: entry.name)
        } else if let number = Self.number(userText) {
            choice.userID = number
            choice.groupID = number
        } else {
            throw ConfigurationError("there is no user \(quoted(userText)) in \(printable(passwdPath))")
        }
        if let groupText { choice.groupID = try group(parsing: groupText) }
        return choice
    }

    /// The group ID that `text`, a name or a number, means.
    ///
    /// - Throws: as `user(parsing:)`.
    public func group(parsing text: String) throws(ConfigurationError) -> UInt32 {
        guard !text.isEmpty else { throw ConfigurationError("a group is missing: write a name or a number") }
        if let number = Self.number(text) { return number }
        for fields in try lines(of: groupPath) where fields.count >= 3 && fields[0].elementsEqual(text.utf8) {
            if let id = Self.number(fields[2]) { return id }
        }
        throw ConfigurationError("there is no group \(quoted(text)) in \(printable(groupPath))")
    }

    private struct Entry {
        var name: String
        var userID: UInt32
        var groupID: UInt32
        var home: String?
    }

    /// The entry of a user by name, or by number if no user has that name. A missing file is an error only for names.
    private func passwdEntry(_ text: String) throws(ConfigurationError) -> Entry? {
        let number = Self.number(text)
        let all: [[ArraySlice<UInt8>]]
        do throws(ConfigurationError) { all = try lines(of: passwdPath) } catch {
            if number != nil { return nil }
            throw error
        }
        let entries = all.lazy.compactMap(Self.entry)
        if let named = entries.first(where: { $0.name.utf8.elementsEqual(text.utf8) }) { return named }
        return number.flatMap { number in entries.first { $0.userID == number } }
    }

    /// `name:password:uid:gid:comment:home:shell`; nil for any other line, which the C library skips too.
    private static func entry(_ fields: [ArraySlice<UInt8>]) -> Entry? {
        guard fields.count >= 6, let name = String(validating: fields[0], as: UTF8.self), !name.isEmpty,
            let userID = number(fields[2]), let groupID = number(fields[3])
        else { return nil }
        let home = String(validating: fields[5], as: UTF8.self)
        return Entry(name: name, userID: userID, groupID: groupID, home: home?.isEmpty == true ? nil : home)
    }

    /// `name:password:gid:user,user`. Without the file there are no supplementary groups.
    private func groups(of user: String) throws(ConfigurationError) -> [UInt32] {
        let all: [[ArraySlice<UInt8>]]
        do throws(FileReadError) { all = try Self.fields(of: groupPath) } catch {
            if error.isMissing { return [] }
            throw ConfigurationError(error.description)
        }
        var result: [UInt32] = []
        for fields in all where fields.count >= 4 {
            let members = fields[3].split(separator: UInt8(ascii: ","))
            guard let id = Self.number(fields[2]), members.contains(where: { $0.elementsEqual(user.utf8) }) else {
                continue
            }
            if !result.contains(id) { result.append(id) }
            if result.count > Self.groupsMax {
                throw ConfigurationError("user \(quoted(user)) is in more than \(Self.groupsMax) groups")
            }
        }
        return result
    }

    private func lines(of path: String) throws(ConfigurationError) -> [[ArraySlice<UInt8>]] {
        do throws(FileReadError) { return try Self.fields(of: path) } catch {
            throw ConfigurationError(error.description)
        }
    }

    /// The fields of each line, as bytes, because comments may have any encoding.
    private static func fields(of path: String) throws(FileReadError) -> [[ArraySlice<UInt8>]] {
        try fileContents(path, bytesMax: bytesMax).split(separator: UInt8(ascii: "\n")).map { line in
            line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        }
    }

    private static func number(_ text: String) -> UInt32? { number(text.utf8) }

    private static func number(_ digits: some Sequence<UInt8>) -> UInt32? {
        decimal(digits).flatMap { $0 <= idMax ? UInt32($0) : nil }
    }
}
