// Programs whose children bind or listen share their port like those that do it themselves, as they are: no --ready, no
// exec in front. RELOADERD_TREE_RELOADS=20 makes more of the same.
import Foundation
import Testing

@Suite(.serialized) struct ProcessTreeSharingTests {
    private static let reloads = ProcessInfo.processInfo.environment["RELOADERD_TREE_RELOADS"].flatMap(Int.init) ?? 3

    /// A connection a request: none may fail, and both slots have served in each generation that was waited for.
    @Test(arguments: SharedProgram.trees)
    func reloadsLoseNoRequest(of program: SharedProgram) throws {
        let load = try SharingLoad(program, workers: 2)
        try bothSlotsAnswer(load, generation: 1)
        for number in 0..<Self.reloads {
            try load.reload()
            try bothSlotsAnswer(load, generation: 2 + number)
        }
        let report = try load.finish()
        #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
        #expect(load.daemon.records("drain_timed_out").isEmpty, "\(load.daemon.story)")
        #expect(load.daemon.records("worker_failed").isEmpty, "\(load.daemon.story)")
    }

    /// With two that are chosen evenly, 60 connections miss one in 10¹⁸ cases.
    private func bothSlotsAnswer(_ load: SharingLoad, generation: Int) throws {
        var slots: Set<Int> = []
        for _ in 0..<60 where slots.count < 2 {
            let answer = try #require(try Asker(load.port, asking: "/").answer())
            // What the old workers had accepted before they were steered away from, they may still answer.
            if answer.generation == generation { slots.insert(answer.slot) }
        }
        #expect(slots == [0, 1])
    }
}
