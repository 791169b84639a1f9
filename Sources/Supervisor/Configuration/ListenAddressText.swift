// Listen addresses as people write them: numeric, or `localhost`, because no name service is asked.
internal import Glibc

/// sockaddr_un.sun_path holds 108 bytes, the last of them a NUL.
private let unixPathBytesMax = 107
/// systemd's bound on a name in LISTEN_FDNAMES.
private let listenerNameBytesMax = 255

private let addressForms = "8080, 127.0.0.1:8080, [::1]:8080, localhost:8080, unix:/path, unix:@name or udp:5353"

extension ListenSpec {
    /// Parses `[NAME=]ADDRESS`. The text before the first `=` is a name if it has no `:`.
    public init(parsing text: String) throws(ConfigurationError) {
        guard let (name, address) = cut(text, at: UInt8(ascii: "=")), !name.utf8.contains(UInt8(ascii: ":")) else {
            self.init(address: try ListenAddress(parsing: text))
            return
        }
        guard !name.isEmpty, name.utf8.count <= listenerNameBytesMax, name.utf8.allSatisfy({ 0x20...0x7E ~= $0 }) else {
            throw ConfigurationError(
                "\(quoted(name)) is not a listener's name: 1 to \(listenerNameBytesMax) printable ASCII characters "
                    + "without ':'"
            )
        }
        self.init(address: try ListenAddress(parsing: address), name: name)
    }
}

extension ListenAddress: CustomStringConvertible {
    /// Parses one of the forms of `--listen`, without a name in front. Port 0 lets the kernel choose one.
    ///
    /// - Throws: what is wrong with `text`, and the right forms.
    public init(parsing text: String) throws(ConfigurationError) {
        if text.isEmpty { throw ConfigurationError("an address is missing: write \(addressForms)") }
        if let path = suffix(of: text, after: "unix:") {
            self = try .unix(path: checkedUnixPath(path))
        } else if let rest = suffix(of: text, after: "udp:") {
            self = try ListenAddress.internet(rest, in: text, isDatagram: true)
        } else if text.utf8.first == UInt8(ascii: "/") || text.utf8.first == UInt8(ascii: "@") {
            throw ConfigurationError(
                "\(quoted(text)) is not an address: write unix:\(printable(text)) for a unix socket")
        } else {
            self = try ListenAddress.internet(text, in: text, isDatagram: false)
        }
    }

    /// The address as `init(parsing:)` reads it.
    public var description: String {
        switch self {
        case .tcpAny(let port): "\(port)"
        case .udpAny(let port): "udp:\(port)"
        case .tcp4(let address, let port): "\(ipv4Text(address)):\(port)"
        case .udp4(let address, let port): "udp:\(ipv4Text(address)):\(port)"
        case .tcp6(let address, let scope, let port): "[\(ipv6Text(address, scope))]:\(port)"
        case .udp6(let address, let scope, let port): "udp:[\(ipv6Text(address, scope))]:\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// The port; nil for a unix socket.
    public var port: UInt16? {
        switch self {
        case .tcpAny(let port), .udpAny(let port), .tcp4(_, let port), .udp4(_, let port): port
        case .tcp6(_, _, let port), .udp6(_, _, let port): port
        case .unix: nil
        }
    }

    private static func internet(
        _ text: String, in whole: String, isDatagram: Bool
    ) throws(ConfigurationError) -> ListenAddress {
        let malformed = ConfigurationError("\(quoted(whole)) is not an address: write \(addressForms)")
        // `[address]:port`
        if let rest = suffix(of: text, after: "[") {
            guard let (inside, after) = cut(rest, at: UInt8(ascii: "]")), let portText = suffix(of: after, after: ":")
            else { throw malformed }
            let port = try parsePort(portText)
            let (address, scope) = try parseIPv6(inside)
            return isDatagram
                ? .udp6(address: address, scope: scope, port: port) : .tcp6(address: address, scope: scope, port: port)
        }
        guard let (host, portText) = cut(text, at: UInt8(ascii: ":")) else {
            if !text.isEmpty && text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) {
                let port = try parsePort(text)
                return isDatagram ? .udpAny(port: port) : .tcpAny(port: port)
            }
            throw malformed
        }
        if portText.utf8.contains(UInt8(ascii: ":")) {
            throw ConfigurationError(
                "\(quoted(whole)) is not an address: write an IPv6 address in brackets, like [::1]:8080")
        }
        guard !host.isEmpty else { throw malformed }
        guard let address = parseIPv4(host == "localhost" ? "127.0.0.1" : host) else {
            throw ConfigurationError(
                "\(quoted(host)) is not a numeric address: names other than localhost are not looked up")
        }
        let port = try parsePort(portText)
        return isDatagram ? .udp4(address: address, port: port) : .tcp4(address: address, port: port)
    }
}

private func suffix(of text: String, after prefix: String) -> String? {
    guard text.utf8.starts(with: prefix.utf8) else { return nil }
    return String(text.utf8.dropFirst(prefix.utf8.count))
}

private func parsePort(_ text: String) throws(ConfigurationError) -> UInt16 {
    UInt16(try wholeNumber(text, in: 0...65_535, called: "a port"))
}

private func checkedUnixPath(_ path: String) throws(ConfigurationError) -> String {
    guard !path.isEmpty, path != "@" else {
        throw ConfigurationError("a unix address needs a path: write unix:/path or unix:@name")
    }
    guard path.utf8.count <= unixPathBytesMax, !path.utf8.contains(0) else {
        throw ConfigurationError(
            "\(quoted(path)) is \(path.utf8.count) bytes long: a unix socket's path has at most \(unixPathBytesMax)")
    }
    return path
}

/// Four decimal numbers with dots, in host byte order; nil for anything else.
private func parseIPv4(_ text: String) -> UInt32? {
    var address = in_addr()
    guard !text.utf8.contains(0), inet_pton(AF_INET, text, &address) == 1 else { return nil }
    return UInt32(bigEndian: address.s_addr)
}

/// 16 bytes in network order, and the interface that follows a `%`, by name or index.
private func parseIPv6(_ text: String) throws(ConfigurationError) -> (address: [UInt8], scope: UInt32) {
    let (addressText, zone) = cut(text, at: UInt8(ascii: "%")) ?? (text, nil)
    var address = in6_addr()
    guard !text.utf8.contains(0), inet_pton(AF_INET6, addressText, &address) == 1 else {
        throw ConfigurationError("\(quoted(text)) is not an IPv6 address")
    }
    let bytes = withUnsafeBytes(of: &address) { Array($0) }
    guard let zone else { return (bytes, 0) }
    if let index = decimal(zone.utf8), index > 0, index <= UInt64(Int32.max) { return (bytes, UInt32(index)) }
    // if_nametoindex(3) asks the kernel by ioctl, not a name service.
    let index = zone.utf8.count < Int(IF_NAMESIZE) ? if_nametoindex(zone) : 0
    if index == 0 { throw ConfigurationError("there is no network interface \(quoted(zone))") }
    return (bytes, index)
}

private func ipv4Text(_ address: UInt32) -> String {
    "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
}

private func ipv6Text(_ bytes: [UInt8], _ scope: UInt32) -> String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard bytes.count == 16, inet_ntop(AF_INET6, bytes, &text, socklen_t(text.count)) != nil else { return "?" }
    let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return scope == 0 ? address : "\(address)%\(scope)"
}

extension ListenAddress {
    /// The same address with another port: the one that the kernel chose for port 0.
    func at(port: UInt16) -> ListenAddress {
        switch self {
        case .tcpAny: .tcpAny(port: port)
        case .tcp4(let address, _): .tcp4(address: address, port: port)
        case .tcp6(let address, let scope, _): .tcp6(address: address, scope: scope, port: port)
        case .udpAny: .udpAny(port: port)
        case .udp4(let address, _): .udp4(address: address, port: port)
        case .udp6(let address, let scope, _): .udp6(address: address, scope: scope, port: port)
        case .unix: self
        }
    }
}
