// What a worker's memory is: that of all its processes.
import Foundation
import Reloader
import Testing

@testable import Supervisor

@Suite struct MemoryGaugeTests {
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 8)
    private let gauge = MemoryGauge()

    /// A process that has touched so many MiB, and changes nothing any more.
    private func process(_ megabytes: Int) throws -> ChildProcess {
        let code = "x = b'x' * (\(megabytes) << 20); print('ready', flush=True); input()"
        let process = try ChildProcess([Apps.python, "-ISc", code])
        #expect(try process.output.next() == "ready")
        return process
    }

    /// What the helper finds.
    private func measure(_ processes: [ChildProcess], within time: Duration = .seconds(10)) throws -> UInt64? {
        let worker = MeasuredWorker(id: WorkerID(number: 1), processes: processes.map(\.pid))
        let request = HelperRequest.measure([worker], within: time)
        guard case .measured(let measured) = Toucher(TouchMark(nil)).answer(request, []) else { return nil }
        return measured.first?.bytes
    }

    private func isAbout(_ bytes: UInt64, _ expected: UInt64) -> Bool {
        max(bytes, expected) - min(bytes, expected) < 8 << 20
    }

    @Test func theSumIsThatOfAllProcesses() throws {
        defer { buffer.deallocate() }
        let (small, large) = (try process(30), try process(70))
        let one = try #require(try measure([small]))
        let other = try #require(try measure([large]))
        let both = try #require(try measure([small, large]))
        #expect(one > 30 << 20 && other > 70 << 20)
        #expect(isAbout(both, one + other), "\(both) are not \(one) and \(other)")
        // Whole pages, whoever else has them.
        let bound = gauge.upperBound([small.pid, large.pid], buffer)
        #expect(bound == gauge.upperBound([small.pid], buffer) + gauge.upperBound([large.pid], buffer))
        #expect(bound >= both)
        // The last measurement counts until there is another.
        let (id, now) = (WorkerID(number: 3), MonotonicClock.now())
        #expect(gauge.bytes(id) == nil && gauge.isDue(id, at: now))
        gauge.note(id, bytes: both, took: .milliseconds(1), at: now)
        #expect(gauge.bytes(id) == both && !gauge.isDue(id, at: now))
        gauge.forget(id)
        #expect(gauge.bytes(id) == nil)
    }

    @Test func aProcessThatIsGoneHasNone() throws {
        defer { buffer.deallocate() }
        let child = try process(1)
        child.closeInput()
        try child.wait()
        #expect(try measure([child]) == 0)
        #expect(gauge.upperBound([child.pid, child.pid], buffer) == 0)
    }
}
