import Glibc
import Testing

@testable import Supervisor

@Suite struct SignalNameTests {
    /// All of them, as the shell names them.
    @Test func agreesWithTheShell() throws {
        let script = "for n in $(seq 1 31) $(seq 34 64); do echo $n $(kill -l $n); done"
        let lines = try CommandRun.run(["/bin/bash", "-c", script]).output.split(separator: "\n")
        #expect(lines.count == 62)
        for line in lines {
            let words = line.split(separator: " ").map(String.init)
            let number = try #require(Int32(words[0]))
            #expect(try signalNumber(parsing: words[1]) == number, "\(line)")
            #expect(try signalNumber(parsing: "SIG" + words[1].lowercased()) == number, "\(line)")
            #expect(try signalNumber(parsing: words[0]) == number, "\(line)")
            #expect(try signalNumber(parsing: signalName(number)) == number, "\(line)")
        }
    }

    /// 32 and 33 belong to the C library.
    @Test(arguments: [
        "", "0", "32", "33", "65", "99999999999999999999", "-15", "+15", "SIG", "TERMINATE", "SIGSIGTERM", "RTMIN+31",
        "RTMAX-31", "RTMIN-1", "RTMIN+", "RTMIN+99999999999999999999", " TERM", "TERM ",
    ])
    func refuses(_ text: String) {
        #expect(throws: ConfigurationError.self) { try signalNumber(parsing: text) }
    }
}
