// A folder of a test's own, gone when the test lets go of it.
import Foundation

final class TestFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("reloaderd-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.resolvingSymlinksInPath().path
    }

    /// Writes a file, with the folders above it; returns its path.
    @discardableResult
    func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let url = URL(fileURLWithPath: "\(path)/\(name)")
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try SpawnLock.hold { try Data(bytes).write(to: url) }
        return url.path
    }

    func contains(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }

    deinit { try? FileManager.default.removeItem(atPath: path) }
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

/// POSIX access lists of files, acl(5).
enum AccessList {
    /// As setfacl(1) writes entries: `u:65534:wx,g:54321:rx,m::rwx`.
    static func add(_ entries: String, to path: String) throws {
        let run = try CommandRun.run(["setfacl", "-m", entries, path])
        guard run.status == 0 else { throw DidNotHappen(description: "no access list: \(run.errors)") }
    }
}
