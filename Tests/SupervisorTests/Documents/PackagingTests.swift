// The files in packaging/ are what people copy: each of their command lines is one that reloaderd takes.
import Foundation
import Testing

@Suite struct PackagingTests {
    private static func text(_ name: String) throws -> String {
        try String(contentsOfFile: "\(Products.package)/packaging/\(name)", encoding: .utf8)
    }

    /// Runs `reloaderd --check` with these words in a folder that has what they name.
    private func check(_ words: [String], configuration: String = "") throws -> CommandRun {
        let folder = try TestFolder()
        var places: [String: String] = [:]
        for word in words where word.hasPrefix("/") {
            // The only absolute words are files and folders of an app.
            let isFolder = word.hasSuffix("/current") || word == "/app"
            if isFolder { chmod(try folder.write("run", "#!/bin/sh\n"), 0o755) }
            let text = word.hasSuffix(".conf") ? configuration : ""
            places[word] = isFolder ? folder.path : try folder.write(String(word.dropFirst()), text)
        }
        return try CommandRun.reloaderd(["--check"] + words.map { places[$0] ?? $0 })
    }

    @Test func theUnitsCommandLineIsRight() throws {
        let lines = try Self.text("reloaderd@.service").split(separator: "\n").filter { $0.hasPrefix("ExecStart=") }
        let words = try #require(lines.first).dropFirst("ExecStart=".count)
            .replacingOccurrences(of: "%i", with: "web").split(separator: " ").map(String.init)
        #expect(lines.count == 1)
        #expect(words.first == "/usr/local/bin/reloaderd")
        let run = try check(Array(words.dropFirst()), configuration: "user root\n")
        #expect(run.status == 0, "\(run.errors)")
        let unnamed = try check(Array(words.dropFirst()))
        #expect(unnamed.status == (Launcher.isRoot ? 64 : 0), "\(unnamed.errors)")
    }

    /// The name that it is started by is the one that it is found by.
    @Test func theUnitsReloadIsAVerb() throws {
        let lines = try Self.text("reloaderd@.service").split(separator: "\n").filter { $0.hasPrefix("ExecReload=") }
        #expect(lines == ["ExecReload=/usr/local/bin/reloaderd reload --name %i"])
        #expect(try Self.text("reloaderd@.service").contains("ExecStart=/usr/local/bin/reloaderd --name %i "))
    }

    @Test func theConfigurationThatTheUnitNamesIsRight() throws {
        let folder = try TestFolder()
        // Its head gives examples of options in backquotes, those of a config file.
        let head = try Self.text("reloaderd@.service").split(separator: "\n").filter { $0.hasPrefix("#") }
        let line = try #require(head.first { $0.contains("NAME.conf") })
        let options = line.split(separator: "`").enumerated().filter { $0.offset % 2 == 1 }.map { $0.element }
            .filter { !$0.hasPrefix("user") }  // www-data need not exist here
        #expect(options.count >= 2)
        let conf = try folder.write("web.conf", options.joined(separator: "\n"))
        let run = try CommandRun.reloaderd(["--check", "--config", conf, "/bin/true"])
        #expect(run.status == 0, "\(run.errors)")
    }

    @Test func theUnitIsOneThatSystemdTakes() throws {
        let folder = try TestFolder()
        let unit = try Self.text("reloaderd@.service").replacingOccurrences(
            of: "/usr/local/bin/reloaderd", with: "/bin/true")
        let path = try folder.write("reloaderd@web.service", unit)
        let run = try CommandRun.run(["systemd-analyze", "verify", "--man=no", path])
        #expect(run.status == 0)
        #expect(run.errors.split(separator: "\n").filter { $0.contains("reloaderd@web") }.isEmpty, "\(run.errors)")
    }

    /// How much the unit leaves open, in systemd's own view: 10 is everything.
    @Test(.disabled(if: !knowsSecurity, "systemd-analyze security --offline is not here"))
    func theUnitIsConfined() throws {
        let folder = try TestFolder()
        let path = try folder.write("reloaderd@web.service", try Self.text("reloaderd@.service"))
        let run = try CommandRun.run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=39", path])
        #expect(run.status == 0, "\(run.output) \(run.errors)")
        let level = try #require(run.output.firstMatch(of: /exposure level for .*: ([0-9.]+)/))
        #expect(try #require(Double(level.1)) < 4.0)
    }

    private static let knowsSecurity =
        (try? CommandRun.run(["systemd-analyze", "security", "--offline=true", "/dev/null"]).errors)
        .map { !$0.contains("unrecognized option") } ?? false

    /// Somebody on this machine may have the port.
    private func isRight(_ run: CommandRun) -> Bool {
        run.errorLines.allSatisfy { $0.contains(": in use by ") } && (run.status == 0 || !run.errors.isEmpty)
    }

    @Test func theDockerfilesCommandLinesAreRight() throws {
        let lines = try Self.text("Dockerfile").split(separator: "\n").map(String.init)
        func list(_ line: String) throws -> [String] {
            let start = try #require(line.firstIndex(of: "["))
            return try JSONDecoder().decode([String].self, from: Data(line[start...].utf8))
        }
        let entry = try #require(lines.first { $0.hasPrefix("ENTRYPOINT ") })
        #expect(try list(entry) == ["/usr/local/bin/reloaderd"])
        #expect(lines.last { $0.hasPrefix("FROM ") } == "FROM scratch")
        let health = try #require(lines.first { $0.hasPrefix("HEALTHCHECK ") })
        #expect(try list(health) == ["/usr/local/bin/reloaderd", "health", "--ready"])
        let help = try #require(lines.first { $0.hasPrefix("CMD ") })
        #expect(try CommandRun.reloaderd(list(help)).status == 0)
        let page = try String(contentsOfFile: "\(Products.package)/docs/containers.md", encoding: .utf8)
        let apps = (lines + page.split(separator: "\n").map(String.init))
            .filter { $0.firstMatch(of: #/^#? +CMD /#) != nil }
        #expect(apps.count == 3)
        for app in apps {
            let run = try check(list(app))
            #expect(isRight(run), "\(app): \(run.errors)")
        }
    }

    private static let hasYAML = (try? CommandRun.run(["/usr/bin/python3", "-c", "import yaml"]).status) == 0

    @Test(.disabled(if: !hasYAML, "python3-yaml is not installed"))
    func theManifestsCommandLineIsRightAndItsTimesFit() throws {
        let script = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))"
        let path = "\(Products.package)/packaging/kubernetes.yaml"
        let yaml = try CommandRun.run(["/usr/bin/python3", "-c", script, path])
        #expect(yaml.status == 0, "\(yaml.errors)")
        let manifests = try JSONDecoder().decode([Manifest].self, from: Data(yaml.output.utf8))
        #expect(manifests.map(\.kind) == ["ConfigMap", "Deployment"])
        let pod = try #require(manifests.last?.spec?.template.spec)
        let container = try #require(pod.containers.first)
        let run = try check(container.args)
        #expect(isRight(run), "\(run.errors)")

        let stop = try #require(container.args.firstIndex(of: "--stop-timeout")).advanced(by: 1)
        let stopSeconds = try #require(Int(container.args[stop].dropLast()))
        let waitSeconds = container.lifecycle.preStop.sleep.seconds
        #expect(pod.terminationGracePeriodSeconds > stopSeconds + waitSeconds)

        #expect(container.livenessProbe.exec.command == ["reloaderd", "health"])
        #expect(container.readinessProbe.exec.command == ["reloaderd", "health", "--ready"])
    }

    /// Tests/run brings the schemas of the Kubernetes API.
    private static let validator = "\(Products.package)/.build/kubernetes/bin/kubernetes-validate"
    private static let hasValidator = FileManager.default.isExecutableFile(atPath: validator)

    @Test(.disabled(if: !hasValidator, "kubernetes-validate is not installed: Tests/run does that"))
    func theManifestIsOneThatKubernetesTakes() throws {
        let path = "\(Products.package)/packaging/kubernetes.yaml"
        let run = try CommandRun.run([Self.validator, "--strict", path])
        #expect(run.status == 0, "\(run.output) \(run.errors)")
        // It would say so if anything were wrong.
        let folder = try TestFolder()
        let text = try Self.text("kubernetes.yaml").replacingOccurrences(of: "livenessProbe:", with: "livenesProbe:")
        let wrong = try CommandRun.run([Self.validator, "--strict", try folder.write("wrong.yaml", text)])
        #expect(wrong.status != 0 && wrong.flat.contains("livenesProbe"), "\(wrong.flat)")
    }
}

private struct Manifest: Decodable {
    struct Spec: Decodable { var template: Template }
    struct Template: Decodable { var spec: Pod }
    struct Pod: Decodable {
        var terminationGracePeriodSeconds: Int
        var containers: [Container]
    }
    struct Container: Decodable {
        var args: [String]
        var lifecycle: Lifecycle
        var livenessProbe: Probe
        var readinessProbe: Probe
    }
    struct Lifecycle: Decodable { var preStop: Hook }
    struct Hook: Decodable { var sleep: Sleep }
    struct Sleep: Decodable { var seconds: Int }
    struct Probe: Decodable { var exec: Execution }
    struct Execution: Decodable { var command: [String] }

    var kind: String
    var spec: Spec?
}
