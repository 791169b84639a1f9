/// Identifies one worker for the daemon's whole life: never reused, unlike a PID. Counted up from 1.
public struct WorkerID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let number: UInt64

    public init(number: UInt64) { self.number = number }

    public static func < (left: WorkerID, right: WorkerID) -> Bool { left.number < right.number }
    public var description: String { "worker#\(number)" }
}
