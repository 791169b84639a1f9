// Real servers under traffic that is in the middle of something at any time: slow answers, uploads and streams that
// pause, requests that follow at once or are sent ahead. Reloads cut none of it. Benchmarks/drains.py is the large
// form.
import Foundation
import Testing

@Suite struct DrainMatrixTests {
    /// All at the same time, for their drains are spent with waiting.
    @Test func reloadsCutNothing() throws {
        let loads = try Self.rows.map { (name: $0, load: try $1()) }
        for (_, load) in loads { try load.begin() }
        for _ in 0..<2 {
            for (_, load) in loads { try load.reload() }
            for (_, load) in loads { try load.daemon.drained() }
        }
        for (name, load) in loads {
            // Not a cut by itself: who asks every 100 ms for half a minute may never be seen at rest.
            for record in load.daemon.records("drain_timed_out") { print("\(name): \(record)") }
            for (shape, report) in try load.finish() { cutsNothing(report, "\(name), \(shape)") }
        }
    }

    private typealias Row = (name: String, load: () throws -> ShapedLoad)

    private static var rows: [Row] {
        let servers: [SharedProgram] = [.node, .go, .uvicorn, .aiohttp, .threaded, .hypercorn]
        return servers.map { program in (program.name, { try asked(program) }) } + [
            // These forget requests that were sent ahead, with reloads or without.
            ("gunicorn --threads", { try asked(.gunicornThreads, in: shapes.filter { $0 != "pipelined=1" }) }),
            ("Puma", { try asked(.puma, in: shapes.filter { $0 != "pipelined=1" }) }),
            ("nginx in front of node", { try asked(.node, in: shapes + ["--proxied"], proxied: true) }),
            ("h2c", { try ShapedLoad(.h2c) { ["node", "\(folder)/h2c.js", "\($0)", "2"] } }),
            ("gRPC", { try ShapedLoad(.grpc) { [Apps.python, "\(folder)/rpc.py", "ask", "\($0)", "2"] } }),
        ]
    }

    private static let folder = SharedProgram.folder
    private static let shapes = [
        "first-1300=2", "back-to-back=2", "think-100=2", "upload-1300=1", "stream-700=1", "pipelined=1",
    ]

    private static func asked(
        _ program: SharedProgram, in shapes: [String] = shapes, proxied: Bool = false
    ) throws -> ShapedLoad {
        try ShapedLoad(program, proxied: proxied) {
            [Apps.python, "\(folder)/shapes.py", "\($0)"] + shapes
        }
    }

    /// Requests lost in the race that every server has which closes idle connections are told, and no fault.
    private func cutsNothing(_ report: ShapedLoad.Report, _ name: String) {
        #expect(report.cut.isEmpty, "\(name): \(report.cut) of \(report.requests): \(report.details)")
        #expect(report.ok > 0, "\(name)")
        if report.races > 0 { print("\(name): \(report.races) idle-close races in \(report.requests) requests") }
    }
}
