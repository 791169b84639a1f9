import Glibc
import Testing

@testable import Supervisor

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
