// What a descriptor of a running process leads to, as /proc says.
import Foundation

enum DescriptorLink {
    static func target(of number: Int, in pid: Int32) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\(number)")
    }
}
