// Programs to give to the daemon: worker.py with its words, or a line of shell if starting Python takes too long.
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
