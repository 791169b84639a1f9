import Glibc
import Testing

@testable import Supervisor

@Suite struct EnvironmentFileTests {
    @Test func readsWhatSystemdReads() throws {
        let text = #"""
            # comment
            ; comment, too
              # with blanks before \
            and continued=by a backslash

            PLAIN=value
              SPACED  =  two words  \#t
            EMPTY=
            QUOTED="a \"b\" \\ \$c \x 'd'"
            SINGLE='a "b" \n $c'
            CONTINUED=one \
            two
            LINES="first
            second\
             third"
            SINGLELINES='a
            b'
            INNER=it's "so"
            JOINED="a"'b' c
            ESCAPED=a\ b\"c\\
            BLANK="  "  
            HASH=#not a comment
            UTF8=Grüße
            with.dots-and-dashes=1
            TRAILING=a\ 
            LAST=no newline
            """#
        let expected: [(String, String)] = [
            ("PLAIN", "value"), ("SPACED", "two words"), ("EMPTY", ""), ("QUOTED", #"a "b" \ $c \x 'd'"#),
            ("SINGLE", #"a "b" \n $c"#), ("CONTINUED", "one two"), ("LINES", "first\nsecond third"),
            ("SINGLELINES", "a\nb"),
            ("INNER", #"it's "so""#), ("JOINED", "abc"), ("ESCAPED", #"a b"c\"#), ("BLANK", "  "),
            ("HASH", "#not a comment"),
            ("UTF8", "Grüße"), ("with.dots-and-dashes", "1"), ("TRAILING", "a "), ("LAST", "no newline"),
        ]
        let read = try EnvironmentFile.parse(Array(text.utf8), path: "x")
        #expect(read == expected.map { EnvironmentChange(name: $0.0, value: $0.1) })
    }

    @Test func readsLineEndsOfOtherSystems() throws {
        let read = try EnvironmentFile.parse(Array("A=1\r\n\r\nB=\"2\"\r\n".utf8), path: "x")
        #expect(read.map { $0.name } == ["A", "B"])
        #expect(read.map { $0.value } == ["1", "2"])
    }

    @Test(arguments: [
        ("A=1\nB\n", "f:2: 'B' has no '=': write NAME=VALUE"), ("export A=1", "f:1: write NAME=VALUE without 'export'"),
        ("A='\nB=1\n", "f:1: a ' is not closed"), ("A=1\n\nB=\"x\n\n", "f:3: a \" is not closed"),
        ("A=\"x\\", "f:1: a \" is not closed"), ("A=1\nREADY_FD=3", "f:2: READY_FD is set by reloaderd itself"),
        ("A=\0", "f:1: the value of A has a NUL byte"),
        (
            "1A=2",
            "f:1: '1A' is not a variable's name: letters, digits and '_', '.', '-', not starting with a digit"
        ),
    ])
    func refuses(_ text: String, _ message: String) {
        #expect(throws: ConfigurationError(message)) { try EnvironmentFile.parse(Array(text.utf8), path: "f") }
    }

    @Test func refusesWhatTheKernelWouldNotTake() throws {
        let fits = "A=" + String(repeating: "x", count: environmentStringBytesMax - 2)
        #expect(try EnvironmentFile.parse(Array(fits.utf8), path: "f").count == 1)
        #expect(throws: ConfigurationError.self) { try EnvironmentFile.parse(Array((fits + "x").utf8), path: "f") }
        #expect(throws: ConfigurationError("f:2: not UTF-8 text")) {
            try EnvironmentFile.parse(Array("A=1\nB=".utf8) + [0xFF], path: "f")
        }
    }

    @Test func refusesWhatIsNoFile() throws {
        let folder = try TestFolder()
        #expect(mkfifo("\(folder.path)/pipe", 0o600) == 0)
        #expect(throws: ConfigurationError("cannot read \(folder.path)/pipe: it is not a regular file")) {
            try EnvironmentFile.read("\(folder.path)/pipe")
        }
        #expect(throws: ConfigurationError("cannot read \(folder.path): Is a directory")) {
            try EnvironmentFile.read(folder.path)
        }
        #expect(throws: ConfigurationError("cannot read /dev/zero: it is larger than 4M")) {
            try EnvironmentFile.read("/dev/zero")
        }
        #expect(try EnvironmentFile.read("/dev/null").isEmpty)
    }
}
