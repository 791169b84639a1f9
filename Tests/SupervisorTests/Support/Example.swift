// The example workers of Examples/, one in each language.

enum Example: CaseIterable {
    case swift
    case python
    case node

    var command: [String] {
        switch self {
        case .swift: [Products.httpWorker]
        case .python: [Apps.python, "\(Products.package)/Examples/python/worker.py"]
        case .node: ["node", "\(Products.package)/Examples/node/worker.js"]
        }
    }

    /// By hand, on a port of its own.
    func startAlone() throws -> (ChildProcess, port: Int) {
        let process = try ChildProcess(command + ["0"])
        let line = try process.errors.next() ?? ""
        guard let port = line.split(separator: ":").last.flatMap({ Int($0) }) else {
            throw DidNotHappen(description: "no port; stderr: \(line)")
        }
        return (process, port)
    }
}
