// strict-client's JSON, and a run of it.
import FoundationEssentials

struct ClientReport: Decodable {
    struct Latency: Decodable {
        var p50: Int
        var p99: Int
        var max: Int
    }

    struct Worker: Decodable, Equatable {
        var pid: Int
        var generation: Int
        var slot: Int
        var requests: Int
    }

    struct Failure: Decodable {
        var kind: String
        var offsetNanoseconds: UInt64
        var phase: String
        var connection: Int
        var localPort: UInt16?
        var lastPid: Int?
        var detail: String
    }

    var startMonotonicNanoseconds: UInt64
    var elapsedNanoseconds: UInt64
    var requests: Int
    var ok: Int
    var failed: Int
    var refused: Int
    var reset: Int
    var earlyEnd: Int
    var timedOut: Int
    var non2xx: Int
    var malformed: Int
    var clientErrors: Int
    var connectionsOpened: Int
    var announcedCloses: Int
    var idleClosed: Int
    var resetAfterResponse: Int
    var latencyMicroseconds: Latency
    var workers: [Worker]
    var failures: [Failure]

    /// The columns that are not zero, so that a test says all of them at once.
    var columns: [String: Int] {
        let all = [
            "ok": ok, "refused": refused, "reset": reset, "earlyEnd": earlyEnd, "timedOut": timedOut, "non2xx": non2xx,
            "malformed": malformed, "clientErrors": clientErrors, "idleClosed": idleClosed,
        ]
        return all.filter { $0.value != 0 }
    }
}

extension ChildProcess {
    /// strict-client with `--json`.
    static func strictClient(_ address: String, _ options: [String], under wrapper: [String] = []) throws
        -> ChildProcess
    {
        try ChildProcess(wrapper + [Products.strictClient, "--address", address, "--json"] + options)
    }

    /// The report of a strict-client that has ended or is about to; throws what it said on stderr when there is none.
    func clientReport() throws -> ClientReport {
        while let line = try output.next() {
            if !line.hasPrefix("{") { continue }
            return try JSONDecoder().decode(ClientReport.self, from: Data(line.utf8))
        }
        throw DidNotHappen(description: "no report of the client; stderr: \(try errors.text())")
    }
}
