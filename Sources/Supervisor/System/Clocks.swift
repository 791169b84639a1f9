// The two clocks. All decisions and all waiting go by the monotonic clock; the wall clock is for what people read.
public import Glibc
public import Reloader

public enum MonotonicClock {
    /// The time now, on CLOCK_MONOTONIC, which never jumps and stands still while the machine sleeps.
    public static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)  // cannot fail for this clock and a valid address
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}

/// As seconds and nanoseconds, one after the other.
extension timespec: @retroactive Codable {
    public init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        self.init(tv_sec: try container.decode(Int.self), tv_nsec: try container.decode(Int.self))
        guard 0..<1_000_000_000 ~= tv_nsec else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no number of nanoseconds")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(tv_sec)
        try container.encode(tv_nsec)
    }
}

/// The time for people to read: nothing is decided by it.
public enum WallClock {
    /// The time now, on CLOCK_REALTIME.
    public static func now() -> timespec {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)  // cannot fail for this clock and a valid address
        return now
    }

    /// Whole seconds from `timestamp`, which `LogFormatter.timestamp` wrote, until now; nil if it is not such a text or
    /// lies in the future.
    public static func seconds(since timestamp: String) -> Int? {
        let bytes = Array(timestamp.utf8)
        func number(_ range: Range<Int>) -> Int? {
            range.upperBound <= bytes.count ? Int(String(decoding: bytes[range], as: UTF8.self)) : nil
        }
        guard bytes.last == UInt8(ascii: "Z"), let year = number(0..<4), let month = number(5..<7),
            let day = number(8..<10), let hour = number(11..<13), let minute = number(14..<16),
            let second = number(17..<19)
        else { return nil }
        var parts = tm()
        parts.tm_year = Int32(clamping: year - 1900)
        parts.tm_mon = Int32(clamping: month - 1)
        parts.tm_mday = Int32(clamping: day)
        parts.tm_hour = Int32(clamping: hour)
        parts.tm_min = Int32(clamping: minute)
        parts.tm_sec = Int32(clamping: second)
        let then = timegm(&parts)
        let now = now().tv_sec
        return then > 0 && then <= now ? now - then : nil
    }
}
