import Testing

@testable import Supervisor

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
