import Testing

@testable import Supervisor

@Suite struct ByteCountTextTests {
    @Test(arguments: [
        ("0", UInt64(0)), ("512", 512), ("1K", 1024), ("64M", 64 << 20), ("2G", 2 << 30), ("3T", 3 << 40),
        ("8388607T", 8_388_607 << 40), ("9223372036854775807", 9_223_372_036_854_775_807),
    ])
    func reads(_ text: String, _ expected: UInt64) throws {
        #expect(try byteCount(parsing: text) == expected)
    }

    @Test(arguments: [
        "", "M", "64 M", "64MB", "-1", "+1", "1.5G", "0x10", "8388608T", "9223372036854775808", "99999999999999999999K",
        "1KK",
    ])
    func refuses(_ text: String) {
        #expect(throws: ConfigurationError.self) { try byteCount(parsing: text) }
    }

    @Test func printsWhatItReads() throws {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<2000 {
            let bytes = UInt64.random(in: 0...1 << 40, using: &random) << UInt64.random(in: 0...20, using: &random)
            #expect(try byteCount(parsing: byteCountText(bytes)) == bytes)
        }
        #expect(byteCountText(64 << 20) == "64M")
    }
}
