// Text that workers or other processes wrote, made harmless for a terminal, and numbers as people read them.
import Glibc
import Supervisor

/// `text` in one line, without anything that a terminal takes for a command.
func terminalText(_ text: String) -> String {
    // No field that the daemon sends is longer than a line of stderr, 512 bytes, or a path.
    let scalarsMax = 4096
    // Tabs are common in traces and move the cursor only.
    let spaced = text.split(separator: "\t", omittingEmptySubsequences: false).joined(separator: "    ")
    return printable(spaced, scalarsMax: scalarsMax)
}

/// `line` cut to `width` characters.
func fitted(_ line: String, width: Int) -> String {
    line.count <= width ? line : String(line.prefix(max(0, width)))
}

/// `3s`, `12m05s`, `3h12m`, `5d04h`: two units are enough.
func durationText(_ seconds: Double) -> String {
    let whole = Int(min(max(0, seconds), 1e15))
    switch whole {
    case ..<60: return "\(whole)s"
    case ..<3_600: return "\(whole / 60)m\(twoDigits(whole % 60))s"
    case ..<86_400: return "\(whole / 3_600)h\(twoDigits(whole / 60 % 60))m"
    default: return "\(whole / 86_400)d\(twoDigits(whole / 3_600 % 24))h"
    }
}

/// `1.23s`; from a minute on as `durationText`.
func secondsText(_ seconds: Double) -> String {
    if !(0..<60 ~= seconds) { return durationText(seconds) }
    let hundredths = Int((seconds * 100).rounded())
    return "\(hundredths / 100).\(twoDigits(hundredths % 100))s"
}

/// `0.4%`, `12.3%`, `397%`.
func percentText(_ percent: Double) -> String {
    let tenths = Int((min(max(0, percent), 1e9) * 10).rounded())
    return tenths < 1000 ? "\(tenths / 10).\(tenths % 10)%" : "\((tenths + 5) / 10)%"
}

/// `512B`, `12.3M`.
func memoryText(_ bytes: Int) -> String {
    var size = Double(max(0, bytes))
    if size < 1024 { return "\(max(0, bytes))B" }
    var letter = ""
    for next in ["K", "M", "G", "T"] where size >= 1024 {
        size /= 1024
        letter = next
    }
    let tenths = Int((size * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)\(letter)"
}

/// `2026-11-24T21:34:05.123Z` without what nobody reads: `2026-11-24 21:34:05Z`.
func timeText(_ timestamp: String) -> String {
    let text = terminalText(timestamp)
    guard text.utf8.count == "2026-11-24T21:34:05.123Z".utf8.count, text.utf8.last == UInt8(ascii: "Z") else {
        return text
    }
    return text.prefix(10) + " " + text.dropFirst(11).prefix(8) + "Z"
}

/// Seconds from `2026-11-24T21:34:05.123Z` to `now`; nil: it is no such text, or lies ahead.
func secondsSince(_ timestamp: String, _ now: Int) -> Int? {
    let bytes = Array(timestamp.utf8)
    func number(_ range: Range<Int>) -> Int? {
        range.upperBound <= bytes.count ? Int(String(decoding: bytes[range], as: UTF8.self)) : nil
    }
    guard bytes.last == UInt8(ascii: "Z"), let year = number(0..<4), let month = number(5..<7),
        let day = number(8..<10),
        let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19)
    else { return nil }
    var parts = tm()
    parts.tm_year = Int32(clamping: year - 1900)
    parts.tm_mon = Int32(clamping: month - 1)
    parts.tm_mday = Int32(clamping: day)
    parts.tm_hour = Int32(clamping: hour)
    parts.tm_min = Int32(clamping: minute)
    parts.tm_sec = Int32(clamping: second)
    let then = timegm(&parts)
    return then > 0 && then <= now ? now - then : nil
}

private func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
