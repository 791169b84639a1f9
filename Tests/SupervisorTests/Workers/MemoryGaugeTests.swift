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

    private func isAbout(_ bytes: UInt64, _ expected: UInt64) -> Bool {
        max(bytes, expected) - min(bytes, expected) < 8 << 20
    }

    @Test func theSumIsThatOfAllProcesses() throws {
        defer { buffer.deallocate() }
        let (small, large) = (try process(30), try process(70))
        let one = gauge.measure(WorkerID(number: 1), [small.pid], buffer)
        let other = gauge.measure(WorkerID(number: 2), [large.pid], buffer)
        let both = gauge.measure(WorkerID(number: 3), [small.pid, large.pid], buffer)
        #expect(one > 30 << 20 && other > 70 << 20)
        #expect(isAbout(both, one + other), "\(both) are not \(one) and \(other)")
        // Whole pages, whoever else has them.
        let bound = gauge.upperBound([small.pid, large.pid], buffer)
        #expect(bound == gauge.upperBound([small.pid], buffer) + gauge.upperBound([large.pid], buffer))
        #expect(bound >= both)
        // The last measurement, if there is no time for another.
        let past = MonotonicClock.now()
        #expect(gauge.bytes(WorkerID(number: 3), [small.pid], until: past, buffer) == both)
        #expect(gauge.bytes(WorkerID(number: 4), [small.pid], until: past, buffer) == nil)
        gauge.forget(WorkerID(number: 3))
        #expect(gauge.bytes(WorkerID(number: 3), [small.pid], until: past, buffer) == nil)
    }

    @Test func aProcessThatIsGoneHasNone() throws {
        defer { buffer.deallocate() }
        let child = try process(1)
        child.closeInput()
        try child.wait()
        #expect(gauge.measure(WorkerID(number: 1), [child.pid], buffer) == 0)
        #expect(gauge.upperBound([child.pid, child.pid], buffer) == 0)
    }
}
