// Seeded clients and workers that talk nonsense to a real daemon: each request is answered by one error line, and the
// daemon is unharmed.
import Foundation
import Testing

@Suite struct ControlFuzzTests {
    private static let requests = [
        "{\"v\":1,\"verb\":\"status\"}", "{\"v\":1,\"verb\":\"history\",\"limit\":3}",
        "{\"v\":1,\"verb\":\"logs\",\"slot\":0,\"follow\":false}", "{\"v\":1,\"verb\":\"scale\",\"by\":0}",
        "{\"v\":1,\"verb\":\"events\",\"follow\":false}",
    ]

    /// Nonsense of one kind; never a request that would change the pool.
    private static func nonsense(_ random: inout SeededGenerator) -> [UInt8] {
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            return (0..<Int.random(in: 0..<2000, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        case 1: return [UInt8](repeating: UInt8.random(in: 11...255, using: &random), count: 80_000) + [10]
        case 2:
            let depth = Int.random(in: 1..<30_000, using: &random)
            return Array((String(repeating: Bool.random(using: &random) ? "[" : "{\"a\":", count: depth) + "\n").utf8)
        case 3: return Array(requests.randomElement(using: &random).map { $0.utf8.dropLast($0.utf8.count / 2) } ?? [])
        case 4:
            let values = [
                "null", "true", "[]", "{}", "\"x\"", "1e999", "-0", "1.0", "99999999999999999999", "\"\\ud800\"",
            ]
            let names = ["v", "verb", "slot", "follow", "limit", "by", "to", "x"]
            let members = (0..<4).map { _ in
                "\"\(names.randomElement(using: &random) ?? "")\":\(values.randomElement(using: &random) ?? "")"
            }
            return Array("{\(members.joined(separator: ","))}\n".utf8)
        case 5: return [UInt8](repeating: 10, count: Int.random(in: 1..<300, using: &random))
        default:
            var bytes = Array((requests.randomElement(using: &random) ?? "").utf8)
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                default: if bytes.count > 1 { bytes.remove(at: place) }
                }
            }
            return bytes + [10]
        }
    }

    /// Mutants of the corpus, which may name no verb that changes the pool.
    private static func mutants(_ count: Int) throws -> [[UInt8]] {
        let verbs = ["stop", "reload", "pause", "resume", "scale", "restart", "rollback", "promote"]
        var fuzzer = try Fuzzer("control")
        return (0..<count).map { _ in fuzzer.mutated() + [10] }.filter { mutant in
            let text = String(decoding: mutant, as: UTF8.self)
            return !verbs.contains { text.contains($0) } && !text.contains("\\u") && !text.contains("follow\":true")
        }
    }

    /// What workers say is heard or ignored, and never harms: the worker sends mutants of the corpus by both ways.
    @Test(.timeLimit(.minutes(2))) func wildWorkersDoNoHarm() throws {
        let folder = try TestFolder()
        var fuzzer = try Fuzzer("messages")
        let inputs = (0..<2000).map { _ in fuzzer.mutated().prefix(8000) }.filter { input in
            // These would be taken at their word.
            let text = String(decoding: input, as: UTF8.self)
            return !text.contains("STOPPING=1")
        }
        try folder.write(
            "inputs",
            inputs.map { $0.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
                .joined(separator: "\n"))
        let script = """
            import os, socket, sys, time
            name = os.environ["NOTIFY_SOCKET"]
            name = "\\0" + name[1:] if name[0] == "@" else name
            notify, ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), int(os.environ["READY_FD"])
            if os.path.exists(sys.argv[1] + ".said"):
                notify.sendto(b"STATUS=all is said", name)
                os.write(ready, b"READY=1\\n")
                time.sleep(1000)
            os.write(ready, b"READY=1\\n")
            for line in open(sys.argv[1]):
                data = bytes.fromhex(line.strip())
                notify.sendto(data, name)
                os.write(ready, data)
            open(sys.argv[1] + ".said", "w")
            sys.exit(7)
            """
        let program = try folder.write("wild.py", script)
        let app = try ControlledDaemon(
            [Apps.python, "-IS", program, "\(folder.path)/inputs"], options: ["--workers", "1"], in: folder)
        while true {
            if try app.daemon.next("worker_status").fields["status"] as? String == "all is said" { break }
        }
        #expect(try app.ask("status").workers.count == 1)
        try app.daemon.endsClean()
    }

    @Test func nonsenseDoesNoHarm() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        let before = try app.ask("status").workers.map { $0["pid"] as? Int }
        let mutants = try Self.mutants(1500)
        #expect(mutants.count > 300)
        for seed in UInt64(0)..<UInt64(5000 + mutants.count) {
            var random = SeededGenerator(seed: seed)
            let client = try app.connect()
            let bytes = seed < 5000 ? Self.nonsense(&random) : mutants[Int(seed) - 5000]
            // A client that is told that its request is too long may find the line cut before it has said all.
            client.send(bytes)
            client.finish()
            var answers = 0
            do {
                while let line = try client.next() {
                    if line.type == "event" { continue }
                    answers += 1
                    #expect(line.isOK || line.type == "error", "seed \(seed): \(line)")
                }
            } catch { Issue.record("seed \(seed): \(error)") }
            let lines = bytes.count { $0 == 10 }
            #expect(answers <= max(lines, 1) && (answers >= lines || bytes.count > 65_536), "seed \(seed)")
        }
        let status = try app.ask("status")
        #expect(status.workers.map { $0["pid"] as? Int } == before)
        #expect(status.object("pool")["workers"] as? Int == 1)
        try app.daemon.endsClean()
        #expect(app.daemon.log.allSatisfy { $0.level == "info" }, "nothing is told of it")
    }
}
