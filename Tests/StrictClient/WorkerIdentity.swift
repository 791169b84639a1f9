// The worker that answered: the numbers of a body such as `slot=0 generation=1 pid=123`.

struct WorkerIdentity: Hashable {
    var pid: Int
    var generation: Int
    var slot: Int

    /// nil: the body doesn't name all three.
    init?(body: ArraySlice<UInt8>) {
        var slot: Int?
        var generation: Int?
        var pid: Int?
        for word in body.split(whereSeparator: { $0 == 32 || $0 == 10 || $0 == 13 }) {
            guard let equal = word.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let name = word[..<equal]
            guard let value = Self.number(word[(equal + 1)...]) else { continue }
            if name.elementsEqual("slot".utf8) { slot = value }
            if name.elementsEqual("generation".utf8) { generation = value }
            if name.elementsEqual("pid".utf8) { pid = value }
        }
        guard let slot, let generation, let pid else { return nil }
        self.slot = slot
        self.generation = generation
        self.pid = pid
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        guard !digits.isEmpty, digits.count <= 10 else { return nil }
        var value = 0
        for digit in digits {
            guard (48...57).contains(digit) else { return nil }
            value = value * 10 + Int(digit - 48)
        }
        return value
    }
}
