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

    /// As the helper measures it.
    private func measured(_ processes: Int32...) throws -> UInt64 {
        let workers = [MeasuredWorker(id: WorkerID(number: 1), processes: processes)]
        guard case .measured(let memory) = Toucher(TouchMark(nil)).answer(.measure(workers, within: .seconds(60)), [])
        else { throw DidNotHappen(description: "no measurement") }
        return try #require(memory.first).bytes
    }

    @Test func theSumIsThatOfAllProcesses() throws {
        defer { buffer.deallocate() }
        let (small, large) = (try process(30), try process(70))
        let one = try measured(small.pid)
        let other = try measured(large.pid)
        let both = try measured(small.pid, large.pid)
        #expect(one > 30 << 20 && other > 70 << 20)
        #expect(isAbout(both, one + other), "\(both) are not \(one) and \(other)")
        // Whole pages, whoever else has them.
        let bound = gauge.upperBound([small.pid, large.pid], buffer)
        // The kernel counts pages for each CPU, and adds them up only now and then.
        #expect(isAbout(bound, gauge.upperBound([small.pid], buffer) + gauge.upperBound([large.pid], buffer)))
        #expect(bound >= both)
    }

    @Test func aMeasurementIsKeptAsLongAsItWasDear() {
        defer { buffer.deallocate() }
        let (id, now) = (WorkerID(number: 3), Instant(nanoseconds: 1_000_000_000))
        #expect(gauge.bytes(id) == nil && gauge.isDue(id, at: now))
        gauge.note(id, bytes: 77, took: .milliseconds(1), at: now)
        #expect(gauge.bytes(id) == 77)
        #expect(!gauge.isDue(id, at: now + .milliseconds(99)) && gauge.isDue(id, at: now + .milliseconds(100)))
        gauge.forget(id)
        #expect(gauge.bytes(id) == nil)
    }

    @Test func aProcessThatIsGoneHasNone() throws {
        defer { buffer.deallocate() }
        let child = try process(1)
        child.closeInput()
        try child.wait()
        #expect(try measured(child.pid) == 0)
        #expect(gauge.upperBound([child.pid, child.pid], buffer) == 0)
    }
}
