// What the product's reader and writer offer, done by the toolchain's coder. Only the daemon that Benchmarks/run coders
// measures contains it.
import FoundationEssentials

/// What is not JSON.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    public var description: String
}

extension JSON {
    public init(parsing bytes: ArraySlice<UInt8>) throws(JSONError) {
        do { self = try JSONDecoder().decode(JSON.self, from: Data(bytes)) } catch {
            throw JSONError(description: "not JSON: \(error)")
        }
    }

    public var line: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(self)).map { Array($0) } ?? []
    }

    public func write(to bytes: inout [UInt8]) { bytes += line }
}
