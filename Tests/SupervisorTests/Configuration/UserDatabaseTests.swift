import Glibc
import Testing

@testable import Supervisor

@Suite struct UserDatabaseTests {
    /// Every local user of this machine, as the C library sees them.
    @Test func agreesWithTheCLibrary() throws {
        let passwd = String(decoding: try fileContents("/etc/passwd", bytesMax: 1 << 20), as: UTF8.self)
        let names = passwd.split(separator: "\n").compactMap { $0.split(separator: ":").first.map(String.init) }
        try #require(!names.isEmpty)
        for name in names {
            let (identifier, group, groups) = try libraryView(of: name)
            let choice = try UserDatabase().user(parsing: name)
            #expect(choice.userID == identifier, "\(name)")
            #expect(choice.groupID == group, "\(name)")
            #expect(Set(choice.supplementaryGroups).union([group]) == groups, "\(name)")
            #expect(choice.name == name)
        }
    }

    private func libraryView(of name: String) throws -> (user: uid_t, group: gid_t, groups: Set<gid_t>) {
        var entry = passwd()
        var buffer = [CChar](repeating: 0, count: 65_536)
        var found: UnsafeMutablePointer<passwd>?
        getpwnam_r(name, &entry, &buffer, buffer.count, &found)
        try #require(found != nil)
        var groups = [gid_t](repeating: 0, count: 1024)
        var count = Int32(groups.count)
        try #require(getgrouplist(name, entry.pw_gid, &groups, &count) >= 0)
        return (entry.pw_uid, entry.pw_gid, Set(groups[..<Int(count)]))
    }

    private func database(_ folder: TestFolder) throws -> UserDatabase {
        let passwd = """
            root:x:0:0:root:/root:/bin/bash
            # a comment
            +::::::
            broken:x:abc:5::/:/bin/sh
            short:x:7
            app:x:1000:1001:App,,,:/srv/app:/bin/sh
            1234:x:77:78::/srv/number:/bin/sh
            homeless:x:1002:1002::::
            toohigh:x:4294967295:1::/:/bin/sh
            """
        // A comment in Latin-1 must not hide its neighbours.
        let latin = Array("latin:x:1003:1003:Fran".utf8) + [0xE7] + Array("ois:/home/latin:/bin/sh\n".utf8)
        let group = """
            root:x:0:
            www:x:33:app
            app:x:1001:
            audio:x:29:other,app,1234
            twice:x:29:app
            bad:x:x:app
            """
        return UserDatabase(
            passwdPath: try folder.write("passwd", latin + Array(passwd.utf8)),
            groupPath: try folder.write("group", group))
    }

    @Test func readsNamesAndNumbers() throws {
        let folder = try TestFolder()
        let users = try database(folder)
        let app = UserChoice(
            userID: 1000, groupID: 1001, supplementaryGroups: [33, 29], name: "app", home: "/srv/app")
        #expect(try users.user(parsing: "app") == app)
        #expect(try users.user(parsing: "1000") == app)
        #expect(try users.user(parsing: "app:www").groupID == 33)
        #expect(try users.user(parsing: "app:5").groupID == 5)
        #expect(try users.user(parsing: "latin").home == "/home/latin")
        #expect(try users.user(parsing: "homeless").home == nil)
        // A name made of digits is a name first, as POSIX has it.
        #expect(try users.user(parsing: "1234").userID == 77)
        #expect(
            try users.user(parsing: "4000")
                == UserChoice(userID: 4000, groupID: 4000, supplementaryGroups: [], name: nil, home: nil))
        #expect(try users.group(parsing: "www") == 33)
        #expect(try users.group(parsing: "4294967294") == 4_294_967_294)
    }

    @Test(arguments: [
        "", ":", ":www", "app:", "app:nogroup", "nobody", "broken", "short", "+", "toohigh", "4294967295", "-1",
        "app:www:x",
        "app\u{301}", "99999999999999999999", "#", "app:bad",
    ])
    func refuses(_ text: String) throws {
        let folder = try TestFolder()
        let users = try database(folder)
        #expect(throws: ConfigurationError.self) { try users.user(parsing: text) }
    }

    /// A container without the files can still be told numbers.
    @Test func numbersNeedNoFile() throws {
        let users = UserDatabase(passwdPath: "/nonexistent/passwd", groupPath: "/nonexistent/group")
        #expect(try users.user(parsing: "1000:1001").userID == 1000)
        let error = #expect(throws: ConfigurationError.self) { try users.user(parsing: "app") }
        #expect(error?.description == "cannot read /nonexistent/passwd: No such file or directory")
    }
}
