// The bytes of the messages between the daemon and its helper: integers of the machine's own order, counts before what
// they count. Either end may be wrong about the other, so each malformed message is an error, and none costs more
// memory than its own bytes do.
internal import Reloader

/// What a message is made of.
protocol WireValue {
    func write(to bytes: inout [UInt8])
    init(from reader: inout WireReader) throws(WireError)
}

/// The bytes are no message.
struct WireError: Error, Equatable {}

struct WireReader {
    private let bytes: ArraySlice<UInt8>
    private var next: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        next = bytes.startIndex
    }

    var left: Int { bytes.endIndex - next }

    mutating func take(_ count: Int) throws(WireError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= left else { throw WireError() }
        defer { next += count }
        return bytes[next..<next + count]
    }

    /// - Throws: if there is more, too.
    mutating func end() throws(WireError) { if left > 0 { throw WireError() } }
}

extension WireValue where Self: FixedWidthInteger {
    func write(to bytes: inout [UInt8]) { withUnsafeBytes(of: self) { bytes.append(contentsOf: $0) } }

    init(from reader: inout WireReader) throws(WireError) {
        let raw = try reader.take(MemoryLayout<Self>.size)
        self = raw.withUnsafeBytes { $0.loadUnaligned(as: Self.self) }
    }
}

extension UInt8: WireValue {}
extension UInt16: WireValue {}
extension UInt32: WireValue {}
extension UInt64: WireValue {}
extension Int32: WireValue {}
extension Int64: WireValue {}
extension Int: WireValue {}

extension Bool: WireValue {
    func write(to bytes: inout [UInt8]) { bytes.append(self ? 1 : 0) }

    init(from reader: inout WireReader) throws(WireError) {
        switch try UInt8(from: &reader) {
        case 0: self = false
        case 1: self = true
        default: throw WireError()
        }
    }
}

extension Array: WireValue where Element: WireValue {
    func write(to bytes: inout [UInt8]) {
        UInt32(clamping: count).write(to: &bytes)
        for element in self { element.write(to: &bytes) }
    }

    init(from reader: inout WireReader) throws(WireError) {
        let count = Int(try UInt32(from: &reader))
        // Each element has at least one byte.
        guard count <= reader.left else { throw WireError() }
        self = []
        for _ in 0..<count { append(try Element(from: &reader)) }
    }
}

extension Optional: WireValue where Wrapped: WireValue {
    func write(to bytes: inout [UInt8]) {
        (self != nil).write(to: &bytes)
        if let self { self.write(to: &bytes) }
    }

    init(from reader: inout WireReader) throws(WireError) {
        self = try Bool(from: &reader) ? try Wrapped(from: &reader) : nil
    }
}

extension String: WireValue {
    func write(to bytes: inout [UInt8]) { Array(utf8).write(to: &bytes) }

    init(from reader: inout WireReader) throws(WireError) {
        self = String(decoding: try [UInt8](from: &reader), as: UTF8.self)
    }
}

/// A key and its value, for dictionaries.
struct WirePair<Key: WireValue & Hashable & Comparable, Value: WireValue>: WireValue {
    let key: Key
    let value: Value

    init(_ key: Key, _ value: Value) { (self.key, self.value) = (key, value) }

    func write(to bytes: inout [UInt8]) {
        key.write(to: &bytes)
        value.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        key = try Key(from: &reader)
        value = try Value(from: &reader)
    }
}

extension Dictionary: WireValue where Key: WireValue & Comparable, Value: WireValue {
    func write(to bytes: inout [UInt8]) {
        sorted { $0.key < $1.key }.map { WirePair($0.key, $0.value) }.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        self = [:]
        for pair in try [WirePair<Key, Value>](from: &reader) { self[pair.key] = pair.value }
    }
}

// MARK: values of other rooms

extension WorkerID: WireValue {
    func write(to bytes: inout [UInt8]) { number.write(to: &bytes) }
    init(from reader: inout WireReader) throws(WireError) { self.init(number: try UInt64(from: &reader)) }
}

extension Instant: WireValue {
    func write(to bytes: inout [UInt8]) { nanoseconds.write(to: &bytes) }

    init(from reader: inout WireReader) throws(WireError) {
        let nanoseconds = try Int64(from: &reader)
        // Later times would overflow in sums.
        guard nanoseconds >= 0 else { throw WireError() }
        self.init(nanoseconds: nanoseconds)
    }
}

extension Duration: WireValue {
    func write(to bytes: inout [UInt8]) { nanoseconds.write(to: &bytes) }
    init(from reader: inout WireReader) throws(WireError) { self = .nanoseconds(try Int64(from: &reader)) }
}

extension SystemError: WireValue {
    func write(to bytes: inout [UInt8]) {
        call.write(to: &bytes)
        errno.write(to: &bytes)
        subject.write(to: &bytes)
        explanation.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        let call = try String(from: &reader)
        let errno = try Int32(from: &reader)
        let subject = try String(from: &reader)
        self.init(call: call, errno: errno, subject: subject, explanation: try String?(from: &reader))
    }
}

extension SharedAddress: WireValue {
    func write(to bytes: inout [UInt8]) {
        self.bytes.write(to: &bytes)
        isIPv6Only.write(to: &bytes)
        isDatagram.write(to: &bytes)
    }

    init(from reader: inout WireReader) throws(WireError) {
        let raw = try [UInt8](from: &reader)
        let isIPv6Only = try Bool(from: &reader)
        let isDatagram = try Bool(from: &reader)
        guard let address = SharedAddress(kept: raw, isIPv6Only: isIPv6Only, isDatagram: isDatagram) else {
            throw WireError()
        }
        self = address
    }
}

extension ListenAddress: WireValue {
    func write(to bytes: inout [UInt8]) {
        func put(_ kind: UInt8, _ port: UInt16) {
            kind.write(to: &bytes)
            port.write(to: &bytes)
        }
        switch self {
        case .tcpAny(let port): put(0, port)
        case .udpAny(let port): put(1, port)
        case .tcp4(let host, let port):
            put(2, port)
            host.write(to: &bytes)
        case .udp4(let host, let port):
            put(3, port)
            host.write(to: &bytes)
        case .tcp6(let host, let scope, let port):
            put(4, port)
            scope.write(to: &bytes)
            host.write(to: &bytes)
        case .udp6(let host, let scope, let port):
            put(5, port)
            scope.write(to: &bytes)
            host.write(to: &bytes)
        case .unix(let path):
            put(6, 0)
            path.write(to: &bytes)
        }
    }

    init(from reader: inout WireReader) throws(WireError) {
        let kind = try UInt8(from: &reader)
        let port = try UInt16(from: &reader)
        switch kind {
        case 0: self = .tcpAny(port: port)
        case 1: self = .udpAny(port: port)
        case 2: self = .tcp4(address: try UInt32(from: &reader), port: port)
        case 3: self = .udp4(address: try UInt32(from: &reader), port: port)
        case 4, 5:
            let scope = try UInt32(from: &reader)
            let host = try [UInt8](from: &reader)
            guard host.count == 16 else { throw WireError() }
            self =
                kind == 4
                ? .tcp6(address: host, scope: scope, port: port)
                : .udp6(address: host, scope: scope, port: port)
        case 6: self = .unix(path: try String(from: &reader))
        default: throw WireError()
        }
    }
}
