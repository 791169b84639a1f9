// A service manager's end of sd_notify(3): a datagram socket at an address of the test's own.
import Glibc

final class NotifyReceiver {
    /// What NOTIFY_SOCKET says.
    let address: String
    private let number: Int32

    /// `address` is a path, or `@name` for an abstract one.
    init(_ address: String) throws {
        self.address = address
        number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard Self.call(bind, number, address) == 0 else {
            close(number)
            throw DidNotHappen(description: "cannot bind \(address): \(String(cString: strerror(errno)))")
        }
    }

    /// The next datagram, waited for: its assignments in order.
    func next() throws -> [String] {
        try Patience.waitForInput(on: number, orSay: "no datagram comes to \(address)")
        guard let datagram = nextNow() else { throw DidNotHappen(description: "no datagram can be read") }
        return datagram
    }

    /// The next datagram that has `assignment`, and those that came before it.
    func next(with assignment: String) throws -> (datagram: [String], before: [[String]]) {
        var before: [[String]] = []
        do {
            while true {
                let datagram = try next()
                if datagram.contains(assignment) { return (datagram, before) }
                before.append(datagram)
            }
        } catch {
            throw DidNotHappen(description: "\(assignment) does not come; before it came: \(before)")
        }
    }

    /// What has come already; nil if nothing has.
    func nextNow() -> [String]? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(number, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        if count < 0 { return nil }
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        // Empty lines stay, to be seen: a message has none.
        return text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// All that has come already.
    func allNow() -> [[String]] {
        var all: [[String]] = []
        while let datagram = nextNow() { all.append(datagram) }
        return all
    }

    /// Sends to itself until the kernel takes no more; returns how many datagrams wait now.
    func fill() throws -> Int {
        let sender = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        defer { close(sender) }
        guard Self.call(connect, sender, address) == 0 else {
            throw DidNotHappen(description: "cannot connect to \(address)")
        }
        var count = 0
        while send(sender, "X_FULL=1", 8, 0) == 8 { count += 1 }
        guard errno == EAGAIN else { throw DidNotHappen(description: "cannot fill \(address)") }
        return count
    }

    private static func call(
        _ function: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32, _ number: Int32, _ text: String
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let isAbstract = text.hasPrefix("@")
        let bytes = isAbstract ? [0] + Array(text.utf8.dropFirst()) : Array(text.utf8) + [0]
        let pathOffset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        guard bytes.count <= MemoryLayout.size(ofValue: address.sun_path) else {
            errno = ENAMETOOLONG
            return -1
        }
        return withUnsafeMutableBytes(of: &address) { raw in
            raw.baseAddress?.advanced(by: pathOffset).copyMemory(from: bytes, byteCount: bytes.count)
            return raw.withMemoryRebound(to: sockaddr.self) {
                function(number, $0.baseAddress, socklen_t(pathOffset + bytes.count))
            }
        }
    }

    deinit {
        close(number)
        if !address.hasPrefix("@") { unlink(address) }
    }
}
