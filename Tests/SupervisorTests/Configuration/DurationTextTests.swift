import Testing

@testable import Supervisor

@Suite struct DurationTextTests {
    @Test(arguments: [
        ("0", Duration.zero), ("0s", .zero), ("250ms", .milliseconds(250)), ("30s", .seconds(30)),
        ("5m", .seconds(300)),
        ("1h", .seconds(3600)), ("1h30m", .seconds(5400)), ("2d", .seconds(172_800)), ("10us", .microseconds(10)),
        ("365d", .seconds(31_536_000)), ("007s", .seconds(7)),
    ])
    func reads(_ text: String, _ expected: Duration) throws {
        #expect(try Duration(parsing: text) == expected)
    }

    @Test(arguments: [
        "", "s", "5", "00", "5x", "5 s", "-5s", "+5s", "1.5s", "5s ", " 5s", "5S", "5s3", "366d",
        "9999999999999999999999d",
        "365d1us", "18446744073709551616us", "5\u{301}s", "5s\u{301}", "٣s",
    ])
    func refuses(_ text: String) {
        #expect(throws: ConfigurationError.self) { try Duration(parsing: text) }
    }

    @Test func saysWhichUnitIsMissing() {
        #expect(throws: ConfigurationError("'30' has no unit: write 30s for seconds, or ms, m, h, d")) {
            try Duration(parsing: "30")
        }
    }

    @Test func printsWhatItReads() throws {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<2000 {
            let duration = Duration.microseconds(Int64.random(in: 0...31_536_000_000_000, using: &random))
            #expect(try Duration(parsing: duration.text) == duration)
        }
        #expect(Duration.seconds(90).text == "1m30s")
        #expect(Duration.zero.text == "0s")
    }
}
