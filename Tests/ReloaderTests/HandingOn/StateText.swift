import Foundation
import Reloader

/// A pool's state as a tree of JSON, in which anything can be replaced by its path (`slots.0.current.state`).
struct StateText {
    private(set) var root: Any

    init(of pool: Pool) throws {
        let head = try JSONSerialization.jsonObject(with: JSONEncoder().encode(pool.head))
        let slots = try JSONSerialization.jsonObject(with: JSONEncoder().encode(pool.slots))
        root = ["head": head, "slots": slots]
    }

    /// Every place in the tree, but for the root.
    var paths: [String] { Self.paths(below: root, path: []) }

    func value(_ path: String) -> Any? {
        path.split(separator: ".").reduce(root as Any?) { node, key in
            node.flatMap { Self.children(of: $0).first { $0.key == key }?.node }
        }
    }

    /// nil removes what is there.
    mutating func replace(_ path: String, by value: Any?) {
        root = Self.replacing(path.split(separator: ".").map(String.init)[...], in: root, by: value) ?? NSNull()
    }

    func pool() throws -> Pool {
        guard let rows = root as? [String: Any], let head = rows["head"], let slots = rows["slots"] else {
            throw DecodingError.valueNotFound(Any.self, .init(codingPath: [], debugDescription: "no rows"))
        }
        return try Pool(head: Self.decode(PoolHead.self, head), slots: Self.decode([Slot].self, slots))
    }

    private static func decode<Row: Decodable>(_ row: Row.Type, _ tree: Any) throws -> Row {
        try JSONDecoder().decode(row, from: JSONSerialization.data(withJSONObject: tree, options: .fragmentsAllowed))
    }

    private static func children(of node: Any) -> [(key: String, node: Any)] {
        if let members = node as? [String: Any] { return members.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
        return (node as? [Any] ?? []).enumerated().map { ("\($0)", $1) }
    }

    private static func paths(below node: Any, path: [String]) -> [String] {
        children(of: node).flatMap { child in
            let path = path + [child.key]
            return [path.joined(separator: ".")] + paths(below: child.node, path: path)
        }
    }

    private static func replacing(_ path: ArraySlice<String>, in node: Any, by value: Any?) -> Any? {
        guard let key = path.first else { return value }
        let rest = path.dropFirst()
        if var members = node as? [String: Any] {
            members[key] = replacing(rest, in: members[key] ?? NSNull(), by: value)
            return members
        }
        guard var items = node as? [Any], let place = Int(key), place <= items.count else { return node }
        let old = place < items.count ? items[place] : NSNull()
        let new = replacing(rest, in: old, by: value)
        items.replaceSubrange(place..<min(place + 1, items.count), with: new.map { [$0] } ?? [])
        return items
    }
}
