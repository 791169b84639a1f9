// swift-tools-version: 6.1
// Packages: none, ever. The targets and the arrows between them are the first half of the architecture, which
// docs/architecture.md explains: reloaderd -> Supervisor -> Reloader, Supervisor -> CLinux. ReloaderWorker and Reloader
// depend on nothing.
import PackageDescription

let package = Package(
    name: "reloaderd",
    products: [
        .executable(name: "reloaderd", targets: ["reloaderd"]),
        .library(name: "ReloaderWorker", targets: ["ReloaderWorker"]),
    ],
    targets: [
        .target(name: "Reloader"),
        // Hardened where it is optimised: the fortified functions need that. SwiftPM allows such flags to no product
        // that other packages depend on; ReloaderWorker has no part of this target. There is no -fcf-protection: the
        // kernel enforces it only for programs in which all code has it, and Swift's has not.
        .target(
            name: "CLinux",
            cSettings: [
                .unsafeFlags(
                    [
                        "-fstack-protector-strong", "-fstack-clash-protection", "-U_FORTIFY_SOURCE",
                        "-D_FORTIFY_SOURCE=3",
                    ], .when(configuration: .release))
            ]),
        .target(name: "Supervisor", dependencies: ["Reloader", "CLinux"]),
        .executableTarget(name: "reloaderd", dependencies: ["Supervisor"]),
        .target(name: "ReloaderWorker"),
        .executableTarget(name: "http-worker", dependencies: ["ReloaderWorker"], path: "Examples/swift"),
        .executableTarget(name: "strict-client", path: "Tests/StrictClient"),
        .executableTarget(name: "kit-probe", dependencies: ["ReloaderWorker"], path: "Tests/KitProbe"),
        .testTarget(name: "ReloaderTests", dependencies: ["Reloader"], exclude: ["Connections/record.py"]),
        .testTarget(
            name: "SupervisorTests",
            dependencies: [
                "CLinux", "Supervisor", "reloaderd", "ReloaderWorker", "http-worker", "strict-client", "kit-probe",
            ],
            exclude: ["Programs", "Fuzz/Corpus"]),
        .testTarget(name: "TidyTests"),
    ],
    swiftLanguageModes: [.v6]
)

// The optimised simulation needs the core alone; to optimise all other tests for it would take minutes.
if Context.environment["RELOADERD_CORE_ONLY"] != nil {
    package.products = []
    package.targets.removeAll { !["Reloader", "ReloaderTests"].contains($0.name) }
}
