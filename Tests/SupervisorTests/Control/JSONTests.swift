import Foundation
import Testing

@testable import Supervisor

@Suite struct JSONTests {
    private func read(_ text: String) -> JSON? { try? JSON(parsing: Array(text.utf8)[...]) }

    @Test func readsWhatIsJSON() {
        let values: [(String, JSON)] = [
            ("null", .null), (" true ", true), ("false", false), ("0", 0), ("-12", -12),
            ("9223372036854775807", .integer(.max)),
            ("9223372036854775808", .number(9223372036854775808)), ("1.5", .number(1.5)), ("-2e3", .number(-2000)),
            ("\"\"", ""), ("\"a\\n\\u0041\\/\\\\\\\"\"", "a\nA/\\\""), ("\"\\ud83d\\ude00\"", "😀"), ("\"ü\"", "ü"),
            ("[]", .array([])), ("[1, [2]]", .array([1, .array([2])])), ("{}", [:]),
            ("{\"a\" : {\"b\":null}}", ["a": ["b": .null]]),
        ]
        for (text, value) in values { #expect(read(text) == value, "\(text)") }
    }

    @Test func refusesWhatIsNot() {
        for text in [
            "", " ", "nul", "nulll", "True", "+1", "01", "-", ".5", "1.", "1e", "--1", "1e999", "0x10", "NaN", "\"",
            "\"\\\"",
            "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800x\"", "\"\\udc00\"", "\"\n\"", "[", "[1", "[1,", "[1,]",
            "[,]", "]",
            "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\":1,\"a\":2}",
            "1 2",
            String(repeating: "[", count: 100_000),
        ] { #expect(read(text) == nil, "\(text.prefix(40))") }
        #expect((try? JSON(parsing: [0x22, 0xFF, 0x22])) == nil)
        #expect(read(String(repeating: "[", count: 32) + String(repeating: "]", count: 32)) != nil)
        #expect(read(String(repeating: "[", count: 34) + String(repeating: "]", count: 34)) == nil)
    }

    /// Other readers understand what it writes as it was meant.
    @Test func writesWhatOthersRead() throws {
        let text = String(String.UnicodeScalarView((0..<0x300).compactMap { Unicode.Scalar($0) })) + "\u{2028}😀"
        let value: JSON = [
            "text": .string(text), "n": .number(0.25), "i": -3, "a": .array([true, .null]), "inf": .number(.infinity),
        ]
        let line = value.line
        #expect(!line.contains { $0 < 0x20 || $0 == 0x7F })
        let object = try #require(JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        #expect(object["text"] as? String == text)
        #expect(object["n"] as? Double == 0.25 && object["i"] as? Int == -3 && object["inf"] is NSNull)
        let again = try JSON(parsing: line[...])
        #expect(again["text"]?.text == text)
    }
}
