// Programs to give to the daemon: worker.py with its words, or a line of shell where starting Python takes too long.
import Foundation

enum Apps {
    /// The interpreter itself: what a version manager puts in its place in PATH starts slowly.
    static let python =
        ["/usr/bin/python3", "/usr/local/bin/python3"].first { FileManager.default.isExecutableFile(atPath: $0) }
        ?? "python3"

    /// The words of worker.py.
    static func worker(_ words: String...) -> [String] { [python, "-IS", Products.worker] + words }

    static func worker(_ words: [String]) -> [String] { [python, "-IS", Products.worker] + words }

    static func shell(_ script: String) -> [String] { ["/bin/sh", "-c", script] }

    /// Tells that it is ready, and waits for SIGTERM.
    static let readyShell = shell("echo READY=1 >&$READY_FD; exec sleep 1000")

    /// A script that becomes worker.py with these words.
    static func workerScript(_ words: String...) -> String {
        "#!/bin/sh\nexec \(python) -IS \(Products.worker) \(words.map { "'\($0)'" }.joined(separator: " "))\n"
    }
}

extension TestFolder {
    /// Writes an executable file, at once and whole: what was there before is replaced.
    @discardableResult
    func writeProgram(_ name: String, _ text: String) throws -> String { try writeProgram(name, Array(text.utf8)) }

    @discardableResult
    func writeProgram(_ name: String, _ bytes: [UInt8]) throws -> String {
        let new = try write("\(name).new", bytes)
        chmod(new, 0o755)
        rename(new, "\(path)/\(name)")
        return "\(path)/\(name)"
    }

    /// As `writeProgram`, with another file's content.
    @discardableResult
    func copyProgram(_ name: String, from source: String) throws -> String {
        guard let bytes = FileManager.default.contents(atPath: source) else {
            throw DidNotHappen(description: "cannot read \(source)")
        }
        return try writeProgram(name, Array(bytes))
    }

    /// Points a symbolic link elsewhere, in one step.
    func link(_ name: String, to target: String) throws {
        let new = "\(path)/\(name).new"
        try FileManager.default.createSymbolicLink(atPath: new, withDestinationPath: target)
        rename(new, "\(path)/\(name)")
    }

    func text(of name: String) -> String {
        String(decoding: FileManager.default.contents(atPath: "\(path)/\(name)") ?? Data(), as: UTF8.self)
    }
}
