// Numbers as people say them.

/// `1 worker`, `3 workers`, `1 process`, `2 processes`.
public func counted(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)" + (number == 1 ? "" : noun.utf8.last == UInt8(ascii: "s") ? "es" : "s")
}
