// Where the programs under test are, and those in C and Go that tests run: built once a test run.
import Foundation
import Glibc

enum Products {
    /// The directory of the running test bundle, which SwiftPM puts beside the executables.
    static let directory: String = {
        guard let path = realpath("/proc/self/exe", nil) else { return "." }
        defer { free(path) }
        let bundle = String(cString: path)
        // The runner itself can be a tool of the toolchain; then the bundle is among its arguments.
        let candidates = [bundle] + CommandLine.arguments
        for candidate in candidates where candidate.contains("PackageTests.xctest") {
            return String(candidate[..<(candidate.lastIndex(of: "/") ?? candidate.startIndex)])
        }
        return String(bundle[..<(bundle.lastIndex(of: "/") ?? bundle.startIndex)])
    }()

    static let reloaderd = "\(directory)/reloaderd"
    /// The folder of the package.
    static let package: String = {
        let parts = #filePath.split(separator: "/")
        return "/" + parts.dropLast(4).joined(separator: "/")
    }()
    static let tests = "\(package)/Tests/SupervisorTests"
    /// A Python worker that misbehaves on request; its own head says how.
    static let worker = "\(tests)/Programs/worker.py"
    static let strictClient = "\(directory)/strict-client"
    static let httpWorker = "\(directory)/http-worker"
    /// Tries the kit out, in a process of its own.
    static let kitProbe = "\(directory)/kit-probe"
}

/// Programs/ that are compiled, once a test run, into a folder beside the products.
enum BuiltPrograms {
    private static let directory = "\(Products.directory)/test-programs"

    private static let made: [String: Result<String, DidNotHappen>] = {
        let sources = (try? FileManager.default.contentsOfDirectory(atPath: SharedProgram.folder)) ?? []
        var made: [String: Result<String, DidNotHappen>] = [:]
        for name in sources where name.hasSuffix(".c") {
            let name = String(name.dropLast(2))
            let source = "\(SharedProgram.folder)/\(name).c"
            made[name] = build(name, ["env", "gcc", "-O1", "-pthread", "-o", path(name), source])
        }
        return made
    }()

    /// What every call of `go` is given: no modules, and folders of the tests' own.
    static let goEnvironment = [
        "CGO_ENABLED=0", "GO111MODULE=off", "GOCACHE=\(directory)/go-cache", "GOPATH=\(directory)/go",
    ]

    private static let goServer = build(
        "go-server",
        ["env"] + goEnvironment + ["go", "build", "-o", path("go-server"), "\(SharedProgram.folder)/go/server.go"])

    /// The path of a program in C.
    static func c(_ name: String) throws -> String {
        guard let program = made[name] else { throw DidNotHappen(description: "no \(name).c") }
        return try program.get()
    }

    static func go() throws -> String { try goServer.get() }

    private static func path(_ name: String) -> String { "\(directory)/\(name)" }

    private static func build(_ name: String, _ words: [String]) -> Result<String, DidNotHappen> {
        mkdir(directory, 0o755)
        do {
            let run = try CommandRun.run(
                words, environment: ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=\(directory)"])
            if run.status == 0 { return .success(path(name)) }
            return .failure(DidNotHappen(description: "cannot build \(name): \(run.errors)"))
        } catch {
            return .failure(DidNotHappen(description: "cannot build \(name): \(error)"))
        }
    }
}
