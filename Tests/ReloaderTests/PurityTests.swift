import Foundation
import Testing

/// Sources/Reloader decides, and it knows only from events what it decides about. The compiler enforces that: the
/// module imports nothing, so there is no clock, no source of random numbers and no system call for it to use.
/// docs/architecture.md says why.
@Suite struct PurityTests {
    @Test func theCoreImportsNothing() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let folder = root.appending(path: "Sources/Reloader")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "swift" }
        #expect(files.contains { $0.lastPathComponent == "Pool.swift" })
        for file in files {
            let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            // An import may carry attributes and an access level: `@preconcurrency internal import Glibc`.
            let imports = lines.filter { $0.prefix { $0 != "/" }.split(separator: " ").contains("import") }
            #expect(imports.isEmpty, "\(file.lastPathComponent)")
        }
    }
}
