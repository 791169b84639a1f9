// How values are written: byte counts, durations, addresses, resource limits and signals.
import Glibc
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

@Suite struct ListenAddressTextTests {
    private static let loopback6: [UInt8] = [UInt8](repeating: 0, count: 15) + [1]

    @Test(arguments: [
        ("8080", ListenAddress.tcpAny(port: 8080)), ("127.0.0.1:8080", .tcp4(address: 0x7F00_0001, port: 8080)),
        ("0.0.0.0:65535", .tcp4(address: 0, port: 65_535)), ("localhost:80", .tcp4(address: 0x7F00_0001, port: 80)),
        ("[::1]:8080", .tcp6(address: loopback6, scope: 0, port: 8080)), ("udp:5353", .udpAny(port: 5353)),
        ("udp:127.0.0.1:53", .udp4(address: 0x7F00_0001, port: 53)), ("0", .tcpAny(port: 0)),
        ("udp:[::1]:53", .udp6(address: loopback6, scope: 0, port: 53)),
        ("unix:/run/a b.sock", .unix(path: "/run/a b.sock")),
        ("unix:@name", .unix(path: "@name")), ("unix:relative.sock", .unix(path: "relative.sock")),
        ("unix:/a=b:c", .unix(path: "/a=b:c")), ("[::1%1]:80", .tcp6(address: loopback6, scope: 1, port: 80)),
    ])
    func reads(_ text: String, _ expected: ListenAddress) throws {
        let address = try ListenAddress(parsing: text)
        #expect(address == expected)
        #expect(try ListenAddress(parsing: address.description) == expected)
    }

    @Test(arguments: [
        "", ":", ":8080", "8080:", "65536", "-1", "+80", "80a", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
        "127.1:80",
        "256.0.0.1:80", "01.2.3.4:80", "::1:8080", "[::1]", "[::1]8080", "[::1]:", "[]:80", "[::g]:80",
        "[127.0.0.1]:80",
        "example.com:80", "LOCALHOST:80", "*:80", "/run/a.sock", "@name", "unix:", "unix:@", "udp:", "udp:unix:/a",
        "tcp:80",
        "[::1%]:80", "[::1%nosuchinterface0]:80", "[::1%99999999999]:80", "[::1%0]:80", "unix:/a\0b", "127.0.0.1\0:80",
        "8080\u{301}", "80 ", "unix:/" + String(repeating: "a", count: 107), String(repeating: "9", count: 100_000),
    ])
    func refuses(_ text: String) {
        let error = #expect(throws: ConfigurationError.self) { try ListenAddress(parsing: text) }
        #expect(error?.description.contains("\n") == false)
        #expect((error?.description.utf8.count ?? 0) < 1000)
    }

    @Test func takesThePathThatTheKernelTakes() throws {
        let path = "/" + String(repeating: "a", count: 106)
        #expect(try ListenAddress(parsing: "unix:" + path) == .unix(path: path))
    }

    /// The zone by its name is the interface's index.
    @Test func findsInterfacesByName() throws {
        let index = if_nametoindex("lo")
        try #require(index > 0)
        #expect(
            try ListenAddress(parsing: "[fe80::1%lo]:80")
                == .tcp6(address: [0xFE, 0x80] + [UInt8](repeating: 0, count: 13) + [1], scope: index, port: 80))
    }

    private static let named: [(String, String?, ListenAddress)] = [
        ("web=8080", "web", .tcpAny(port: 8080)), ("a=unix:/b=c", "a", .unix(path: "/b=c")),
        ("unix:/b=c", nil, .unix(path: "/b=c")), ("8080", nil, .tcpAny(port: 8080)),
        ("with space=udp:1", "with space", .udpAny(port: 1)),
    ]

    @Test(arguments: named)
    func readsNames(_ text: String, _ name: String?, _ address: ListenAddress) throws {
        #expect(try ListenSpec(parsing: text) == ListenSpec(address: address, name: name))
    }

    @Test(arguments: ["=8080", "ü=8080", "a\tb=8080", String(repeating: "a", count: 256) + "=8080", "web=", "web=x"])
    func refusesNames(_ text: String) {
        #expect(throws: ConfigurationError.self) { try ListenSpec(parsing: text) }
    }
}

@Suite struct ResourceLimitTextTests {
    /// /proc/self/limits lists the limits in the kernel's own order.
    @Test func numbersAreTheKernels() throws {
        let kernelOrder = [
            "cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks", "sigpending",
            "msgqueue", "nice", "rtprio", "rttime",
        ]
        let titles = [
            "Max cpu time", "Max file size", "Max data size", "Max stack size", "Max core file size",
            "Max resident set",
            "Max processes", "Max open files", "Max locked memory", "Max address space", "Max file locks",
            "Max pending signals", "Max msgqueue size", "Max nice priority", "Max realtime priority",
            "Max realtime timeout",
        ]
        let text = String(decoding: try fileContents("/proc/self/limits", bytesMax: 1 << 16), as: UTF8.self)
        let lines = text.split(separator: "\n").dropFirst()
        #expect(lines.count == titles.count)
        #expect(Set(kernelOrder) == Set(ResourceLimit.names))
        for (index, (line, title)) in zip(lines, titles).enumerated() {
            #expect(line.hasPrefix(title))
            let limit = try ResourceLimit(parsing: "\(kernelOrder[index])=unlimited".replacingNofile)
            #expect(limit.resource == UInt32(index))
            #expect(limit.name == kernelOrder[index])
        }
    }

    @Test(arguments: [
        ("nofile=65536", UInt64(65_536), UInt64(65_536)), ("nofile=1024:4096", 1024, 4096),
        ("core=0:unlimited", 0, .max),
        ("as=2G", 2 << 30, 2 << 30), ("stack=8M:unlimited", 8 << 20, .max), ("cpu=1m", 60, 60),
        ("CPU=30s:1h", 30, 3600),
        ("rttime=5ms", 5000, 5000), ("nproc=infinity", .max, .max), ("nice=40", 40, 40), ("rtprio=99", 99, 99),
        ("memlock=unlimited", .max, .max),
    ])
    func reads(_ text: String, _ soft: UInt64, _ hard: UInt64) throws {
        let limit = try ResourceLimit(parsing: text)
        #expect(limit.soft == soft)
        #expect(limit.hard == hard)
    }

    @Test(arguments: [
        "", "nofile", "nofile=", "=5", "files=5", "nofile=5:", "nofile=:5", "nofile=5:4", "nofile=unlimited",
        "nofile=-1",
        "nofile=64K", "nofile=1073741825", "core=unlimited:0", "as=2X", "as=2g", "cpu=30", "cpu=1500ms", "rttime=5",
        "nice=41",
        "rtprio=100", "nproc=99999999999999999999", "nofile=1:2:3", "nofile =5",
    ])
    func refuses(_ text: String) {
        #expect(throws: ConfigurationError.self) { try ResourceLimit(parsing: text) }
    }
}

extension String {
    /// The one limit that cannot be unlimited.
    fileprivate var replacingNofile: String { self == "nofile=unlimited" ? "nofile=1" : self }
}

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
