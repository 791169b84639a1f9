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
    func writeProgram(_ name: String, _ text: String) throws -> String {
        try install(name, "mkdir -p \"$(dirname \"$1\")\" && printf %s \"$2\" >\"$1.new\"", text)
    }

    /// As `writeProgram`, with another file's content.
    @discardableResult
    func copyProgram(_ name: String, from source: String) throws -> String {
        try install(name, "cp \"$2\" \"$1.new\"", source)
    }

    /// Another process writes: a descriptor of ours that is open for writing may live on in a child that another test starts
    /// at this moment, and then nobody can execute the file (ETXTBSY).
    private func install(_ name: String, _ command: String, _ word: String) throws -> String {
        let file = "\(path)/\(name)"
        let script = "\(command) && chmod 755 \"$1.new\" && mv \"$1.new\" \"$1\""
        let run = try CommandRun.run(["/bin/sh", "-c", script, "sh", file, word])
        guard run.status == 0 else { throw DidNotHappen(description: "no program \(file): \(run.errors)") }
        return file
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
