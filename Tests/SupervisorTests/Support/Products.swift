// Where the built programs are: beside the test bundle, whatever the configuration.
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
