// `doctor`: looks at the kernel, the limits, the ports and the places that a daemon would need here, and says what each
// lack costs. Asks no daemon, and starts none.
import Supervisor

extension Verb {
    static let doctor = Verb(
        "doctor", "what this machine lacks for a daemon, and what to do about it", takesCommand: true,
        options: [
            VerbOption("json", .verb, "one JSON object instead of lines") {
                (_, call) throws(ConfigurationError) in call.isJSON = true
            }
        ], contact: [],
        explanation: """
            Tries what a daemon would need here, and prints a line for each: ok; note for
            what could be better; less for what costs something; broken for what keeps it
            from working. With the options and the program of a start it looks at those
            ports, users and limits, and at all that --check looks at. Run it as the user
            who starts the daemon, and in the same container or unit: limits and rights
            are those of this process. Nothing is started, and no port stays open.

            Exit status: 0 all is well, 1 something is broken, 2 it works with less,
            64 an option is wrong.
            """,
        run: examineMachine)
}

private func examineMachine(_ call: Call) throws(VerbError) -> Int32 {
    let reading = readSettings(
        arguments: call.command, startDirectory: StartDirectory.current(), needsProgram: false)
    guard reading.action == .run else {
        return refuse([ConfigurationError("doctor takes the options of a start, and --check and --version are none")])
    }
    if !reading.problems.isEmpty { return refuse(reading.problems) }
    let settings = reading.settings
    let findings =
        settingsFindings(settings) + examine(settings) { isOfOwnDaemon($0, settings) }
    let diagnosis = Diagnosis(findings)
    let text = call.isJSON ? diagnosis.json : diagnosis.text
    let status = printOut(text)
    return status == 0 ? diagnosis.exitStatus : status
}

/// What --check would find, but for the ports.
private func settingsFindings(_ settings: Settings) -> [Finding] {
    let problems = findProblems(settings) + relativePathProblems(settings)
    return problems.map {
        Finding(
            "settings", .broken, $0.description, costs: "reloaderd does not start, or its workers fail",
            cure: "correct it")
    }
}

/// All findings, and what follows from them.
private struct Diagnosis {
    let findings: [Finding]

    init(_ findings: [Finding]) { self.findings = findings }

    var exitStatus: Int32 {
        count(.broken) > 0 ? ExitStatus.failed : count(.less) > 0 ? ExitStatus.worksWithLess : 0
    }

    /// The worst first, so that they are seen; then the summary.
    var text: String {
        let sorted = Finding.Level.allCases.reversed().flatMap { level in findings.filter { $0.level == level } }
        let width = findings.map { $0.topic.count }.max() ?? 0
        let lines = sorted.map { finding in
            let level = padded(finding.level.rawValue, 6)
            return "\(level)  \(padded(finding.topic, width))  \(terminalText(finding.words))\n"
        }
        return lines.joined() + "\(summary)\n"
    }

    private var summary: String {
        let all = counted(findings.count, "check")
        let costs = "\(counted(count(.less), "check")) cost\(count(.less) == 1 ? "s" : "") something"
        if count(.broken) > 0 {
            let keeps = count(.broken) == 1 ? "keeps" : "keep"
            return "reloaderd cannot work here: \(count(.broken)) of \(all) \(keeps) it from that"
                + (count(.less) > 0 ? ", and \(costs)" : "")
        }
        return count(.less) > 0
            ? "reloaderd works here with less: \(costs), of \(all)" : "reloaderd works here: \(all), nothing is missing"
    }

    var json: String {
        let object = JSON.object([
            JSON.Member("v", .integer(ControlLimits.version)), JSON.Member("type", .string("doctor")),
            JSON.Member("broken", .integer(count(.broken))), JSON.Member("less", .integer(count(.less))),
            JSON.Member("note", .integer(count(.note))), JSON.Member("ok", .integer(count(.ok))),
            JSON.Member("checks", .array(findings.map { $0.json })),
        ])
        return String(decoding: object.line, as: UTF8.self) + "\n"
    }

    private func count(_ level: Finding.Level) -> Int { findings.count { $0.level == level } }
}
