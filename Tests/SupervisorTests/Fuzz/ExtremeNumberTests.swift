// Numbers from outside at the ends of their types: none traps, each is taken as it stands, brought into range, or
// refused in one short line.
import Foundation
import Testing

@testable import Supervisor
@testable import reloaderd

@Suite struct ExtremeNumberTests {
    private static let extremes: [String] =
        [
            "", "-", "+", "0", "-0", "+0", "00", "-1", "+1", "1", "255", "256", "65535", "65536", "2147483647",
            "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296", "9223372036854775",
            "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
            "18446744073709551615", "18446744073709551616", "1e308", "1e309", "-1e308", "1e-400", "nan", "NaN", "inf",
            "0.1", ".5", "5.", "0x7fffffffffffffff", "1_000", "٣", "\u{FF11}", " 1", "1 ", "1\0",
        ] + [String(repeating: "9", count: 1 << 20), "-" + String(repeating: "0", count: 1 << 20) + "1"]
    private static let units = [
        "", "us", "ms", "s", "m", "h", "d", "K", "M", "G", "T", "%", ":", "-", "/", "/1s", ":unlimited", "s365d",
        "d365d",
    ]

    private func isShort(_ error: String) -> Bool { !error.contains("\n") && !error.isEmpty && error.utf8.count < 4000 }

    /// Each option of the command line, with and without the units and separators that some have.
    @Test func optionValues() {
        let users = UserDatabase(passwdPath: "/nonexistent", groupPath: "/nonexistent")
        let names = ResourceLimit.names.map { "\($0)=" }
        for option in Option.all {
            let prefixes = [""] + (option.name == "rlimit" ? names : ["1/", "127.0.0.1:", "SIGRTMIN+", "SIGRTMAX-"])
            for number in Self.extremes {
                // A megabyte of digits once, not with each unit.
                let isLong = number.utf8.count > 1000
                let suffixes = isLong ? Self.units.prefix(1) : Self.units[...]
                let all = suffixes.flatMap { suffix in (isLong ? [""] : prefixes).map { $0 + number + suffix } }
                for text in all {
                    var draft = Draft(users: users)
                    do throws(ConfigurationError) { try option.apply(text, &draft) } catch {
                        if !isShort(error.description) { Issue.record("--\(option.name)=\(text.prefix(80))") }
                    }
                }
            }
        }
    }

    /// Each numeric member of each verb.
    @Test func controlNumbers() {
        let members = [
            ("history", "limit"), ("logs", "slot"), ("scale", "to"), ("scale", "by"), ("restart", "slot"),
            ("rollback", "generation"), ("reload", "timeout_s"), ("reload", "surge"), ("reload", "soak_s"),
            ("reload", "max_failures"), ("reload", "canary"), ("reload", "canary_time_s"), ("status", "v"),
        ]
        for (verb, member) in members {
            for number in Self.extremes {
                let line = "{\"v\":1,\"verb\":\"\(verb)\",\"\(member)\":\(number)}"
                do throws(ControlError) { _ = try ControlRequest(Array(line.utf8)[...]) } catch {
                    if !isShort(error.message) { Issue.record("\(line.prefix(80))") }
                }
            }
        }
    }

    @Test func jsonNumbers() {
        for number in Self.extremes {
            guard let value = try? JSON(parsing: Array(number.utf8)[...]) else { continue }
            #expect((try? JSON(parsing: value.line[...])) == value, "\(number.prefix(80))")
            _ = (value.whole, value.decimal)
        }
    }

    @Test func workerMessages() {
        for number in Self.extremes {
            let message = WorkerMessage(line: Array("EXTEND_TIMEOUT_USEC=\(number)".utf8), emptyMeansReady: false)
            if case .extendTimeout(let time)? = message { #expect(time > .zero) }
        }
        let longest = WorkerMessage(line: Array("EXTEND_TIMEOUT_USEC=9223372036854775807".utf8), emptyMeansReady: false)
        guard case .extendTimeout(let time)? = longest else {
            Issue.record("a number that the kernel's own type holds is not taken")
            return
        }
        #expect(time > .seconds(9_000_000_000))
    }

    /// A quota as large as the kernel's own type.
    @Test func cpuQuotas() throws {
        let folder = try TestFolder()
        try folder.write("proc/self/cgroup", "0::/\n")
        try folder.write("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n")
        for quota in Self.extremes {
            for period in ["1", "100000", "0", "-1", "18446744073709551615", ""] {
                try folder.write("sys/fs/cgroup/cpu.max", "\(quota) \(period)\n")
                #expect(CPUCount.current(root: folder.path).automatic >= 1, "\(quota.prefix(80)) \(period)")
            }
        }
        #expect(CPUCount(affinity: 2, quotaMilliCPUs: .max).automatic == 2)
        #expect(CPUCount(affinity: 2, quotaMilliCPUs: 1001).automatic == 2)
        #expect(CPUCount(affinity: 2, quotaMilliCPUs: .min).automatic == 1)
    }

    @Test func kilobytes() {
        for number in Self.extremes { _ = ProcessMemory.bytes(inKilobytes: "\(number) kB") }
        #expect(ProcessMemory.bytes(inKilobytes: "18446744073709551615 kB") == .max)
        #expect(ProcessMemory.bytes(inKilobytes: "1180 kB") == 1180 * 1024)
    }

    @Test func textsOfTheCommand() {
        for number in [0, -0.0, -1, 59.999, 1e15, 1e308, -1e308, .infinity, -.infinity, .nan, .leastNonzeroMagnitude]
            as [Double]
        {
            for text in [durationText(number), secondsText(number), percentText(number)] { #expect(text.count < 40) }
        }
        for bytes in [0, 1, -1, .max, .min] as [Int] { #expect(memoryText(bytes).count < 20) }
        for number in Self.extremes {
            _ = WallClock.seconds(since: number)
            _ = WallClock.seconds(since: "\(number)-99-99T99:99:99Z")
            _ = WallClock.seconds(since: "9999-\(number.prefix(2))-01T00:00:00.000Z")
        }
    }
}
