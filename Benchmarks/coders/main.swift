// The product's JSON reader and writer beside the toolchain's, in one process.
//   compare read FILE   each line of FILE is a document in hexadecimal: a line of what each makes of it, `-`: refused
//   compare time FILE   FILE is an answer to `status`: the CPU milliseconds that either takes to read and write it
import FoundationEssentials
import Glibc

/// The greater part of an answer to `status`, as a program that knows its members would declare it.
struct Status: Codable {
    struct Slot: Codable {
        struct Worker: Codable {
            var pid: Int?
            var generation: Int?
            var state: String?
            var since_s: Double?
            var restarts: Int?
            var memory_bytes: Int?
            var cpu_s: Double?
        }
        var slot: Int?
        var workers: [Worker]?
    }
    var type: String
    var slots: [Slot]
}

struct Request: Decodable {
    var v: Int
    var verb: String
    var arguments: [String]?
}

func milliseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
}

/// The median of several times.
func cost(_ body: () throws -> Void) -> Double {
    let times = (0..<9).map { _ in
        let start = milliseconds()
        try? body()
        return milliseconds() - start
    }
    return times.sorted()[times.count / 2]
}

func digit(_ byte: UInt8) -> UInt8 { UInt8(Character(Unicode.Scalar(byte)).hexDigitValue ?? 0) }

func text(_ value: JSON?) -> String { value.map { String(decoding: $0.line, as: UTF8.self) } ?? "-" }

guard CommandLine.arguments.count == 3 else {
    print("compare read|time FILE")
    exit(64)
}
let file = Array(try Data(contentsOf: URL(fileURLWithPath: CommandLine.arguments[2])))
let encoder = JSONEncoder()
encoder.outputFormatting = .withoutEscapingSlashes

if CommandLine.arguments[1] == "read" {
    for line in file.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast() {
        let digits = Array(line)
        let bytes = stride(from: 0, to: digits.count - 1, by: 2).map { digit(digits[$0]) << 4 | digit(digits[$0 + 1]) }
        print(
            text(try? JSON(parsing: bytes[...])), text(try? JSONDecoder().decode(JSON.self, from: Data(bytes))),
            separator: "\t")
    }
} else {
    let tree = try JSON(parsing: file[...])
    let status = try JSONDecoder().decode(Status.self, from: Data(file))
    // The same members for both.
    let part = try encoder.encode(status)
    let partTree = try JSON(parsing: Array(part)[...])
    func row(_ name: String, _ bytes: Int, _ times: Double...) {
        print(name, bytes, times.map { "\(($0 * 1000).rounded() / 1000)" }.joined(separator: "\t"), separator: "\t")
    }
    row(
        "read status, any JSON", file.count, cost { _ = try JSON(parsing: file[...]) },
        cost { _ = try JSONDecoder().decode(JSON.self, from: Data(file)) })
    row(
        "write status, any JSON", tree.line.count, cost { _ = tree.line }, cost { _ = try encoder.encode(tree) })
    row(
        "read status, library by Codable structures", file.count, cost { _ = try JSON(parsing: file[...]) },
        cost { _ = try JSONDecoder().decode(Status.self, from: Data(file)) })
    row(
        "write a part, library by Codable structures", part.count, cost { _ = partTree.line },
        cost { _ = try encoder.encode(status) })
    let numbers = String(repeating: "1,", count: 32_000) + "1"
    let requests = [
        ("read 64 KiB of numbers, any JSON", "[\(numbers)]"),
        (
            "the same nested 31 deep, any JSON",
            String(repeating: "[", count: 30) + "[\(numbers)]" + String(repeating: "]", count: 30)
        ),
    ]
    for (name, request) in requests {
        let bytes = Array(request.utf8)
        row(
            name, bytes.count, cost { _ = try JSON(parsing: bytes[...]) },
            cost { _ = try JSONDecoder().decode(JSON.self, from: Data(bytes)) })
    }
    let request = Array("{\"v\":1,\"verb\":\"reload\",\"arguments\":[\"--port\",\"8080\"]}".utf8)
    row(
        "read 1,000 requests, library by structures", request.count,
        cost { for _ in 0..<1000 { _ = try JSON(parsing: request[...]) } },
        cost { for _ in 0..<1000 { _ = try JSONDecoder().decode(Request.self, from: Data(request)) } })
}
