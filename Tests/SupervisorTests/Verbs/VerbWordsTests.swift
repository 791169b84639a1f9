import Foundation
import Testing

@testable import reloaderd

/// The words after a verb: what is wrong is one line, status 64, and nothing is asked.
@Suite struct VerbWordsTests {
    private static let bad: [([String], String)] = [
        (["reload", "--timeout", "5"], "--timeout: '5' has no unit"),
        (["reload", "--timeout", "0"], "--timeout: '0' is too short: at least 1ms"),
        (["reload", "--timeout"], "--timeout needs a value: --timeout DURATION"),
        (["reload", "--canary", "0"], "--canary: '0' is not a whole number from 1 to 4096"),
        (["reload", "--canary=x"], "--canary: 'x' is not a whole number from 1 to 4096"),
        (["reload", "--canary-time", "5s"], "--canary-time needs --canary N"),
        (["reload", "--canary", "1", "--canary-time", "0"], "--canary-time: '0' is too short"),
        (["reload", "--surge", "25%"], "--surge: '25%' is not a whole number from 1 to 4096"),
        (["reload", "--soak", "soon"], "--soak: 'soon' is not a duration"),
        (["reload", "--max-failures", "-1"], "--max-failures: '-1' is not a whole number from 0 to 4096"),
        (["reload", "--wait=yes"], "--wait takes no value"),
        (["reload", "--no-wait", "--timeout", "1s"], "--timeout contradicts --no-wait"),
        (["reload", "web", "now"], "reload: unexpected argument 'now' (new arguments for the program follow --)"),
        (["reload", "--tiemout", "5s"], "unknown option '--tiemout': did you mean --timeout?"),
        (["reload", "--note", ""], "--note: '' is not a note: 1 to 200 printable characters"),
        (["reload", "--note", "a\nb"], "--note: 'a\\nb' is not a note"),
        (["status", "--exit-code", "--watch"], "--watch contradicts --exit-code"),
        (["reload", "-x"], "unknown option '-x': reloaderd reload --help lists all options"),
        (["status", "--watch", "--json"], "--watch contradicts --json"),
        (["status", "web", "api"], "status: unexpected argument 'api'"),
        (["status", "--name", "web", "api"], "status: unexpected argument 'api'"),
        (["status", "../x"], "status: '../x' is not a name"),
        (["status", "--name", ""], "--name: '' is not a name"),
        (["status", "--name", "../x"], "--name: '../x' is not a name"),
        (["status", "--control", ""], "--control: a path is missing"),
        (["status", "--name", "a", "--control", "b"], "--name and --control are two ways"),
        (["history", "-n", "0"], "--limit: '0' is not a whole number from 1 to 256"),
        (["logs", "-n", "4097"], "--lines: '4097' is not a whole number from 1 to 4096"),
        (["events", "--lines", "0"], "--lines: '0' is not a whole number from 1 to 4096"),
        (["logs", "--since", "0s"], "--since: '0s' is too short"),
        (["events", "--since", "yesterday"], "--since: 'yesterday' is not a duration"),
        (["logs", "--slot", "4096"], "--slot: '4096' is not a slot from 0 to 4095"),
        (["events", "--follow=1"], "--follow takes no value"),
        (["scale"], "scale needs a value: reloaderd scale N|+N|-N"),
        (["scale", "0"], "scale: '0' is not N, +N or -N"),
        (["scale", "-0"], "scale: '0' is not N, +N or -N"),
        (["scale", "+-1"], "scale: '-1' is not N, +N or -N"),
        (["scale", "--", "--json"], "scale: '-json' is not N, +N or -N"),
        (["scale", "web", "1", "2"], "scale: unexpected argument '2'"),
        (["restart"], "restart needs a value: reloaderd restart SLOT"),
        (["restart", "web"], "restart needs a value: reloaderd restart SLOT"),
        (["restart", "web", "one"], "restart: 'one' is not a slot from 0 to 4095"),
        (["rollback", "0"], "rollback: '0' is not a generation from 1"),
        (["promote", "web", "3"], "promote: unexpected argument '3'"),
        (["stop", "--slow"], "unknown option '--slow'"),
        (["list", "--name", "web"], "unknown option '--name'"),
        (["completion"], "completion needs a value: reloaderd completion bash|zsh|fish"),
        (["completion", "tcsh"], "completion: 'tcsh' is not bash or zsh or fish"),
        (["pause", "web", "\u{1B}[2J"], "pause: unexpected argument '\\u{1B}[2J'"),
    ]

    @Test(arguments: bad.indices)
    func wrongWordsAreRefused(_ index: Int) throws {
        let (words, message) = Self.bad[index]
        let folder = try TestFolder()
        let run = try CommandRun.reloaderd(words, environment: FakeDaemon.environment(folder))
        #expect(run.status == 64)
        #expect(run.output.isEmpty)
        #expect(run.errorLines.count == 1)
        #expect(run.errors.hasPrefix("reloaderd: \(message)"), "\(run.errors)")
    }

    /// Each option with a value has a bad one above, if there are bad ones.
    @Test func everyOptionWithAValueIsThere() {
        let tried = Set(Self.bad.flatMap { $0.0 }.map { String($0.prefix { $0 != "=" }) })
        for verb in Verb.all {
            for option in verb.options where option.value != nil && option.short == nil {
                #expect(tried.contains("--\(option.name)"), "\(verb.name) --\(option.name)")
            }
        }
    }

    /// Arbitrary words never end in a crash, or in anything but a line. None of them finds a daemon.
    @Test func wordsNeverTrap() throws {
        var random = SeededGenerator(seed: 5)
        let words = ["--", "-", "--=", "-n", "-1", "", "=", "\u{301}", "--name=x", "99999999999999999999", "\u{0}"]
        for _ in 0..<2_000 {
            guard let verb = Verb.all.randomElement(using: &random) else { return }
            let options = verb.options.flatMap { ["--\($0.name)", "--\($0.name)="] }
            let call = (0..<Int.random(in: 0...5, using: &random)).compactMap { _ in
                (words + options).randomElement(using: &random)
            }
            do { _ = try Call(verb, call[...]) } catch { #expect(!"\(error)".contains("\n")) }
        }
    }

    @Test(arguments: Verb.all.map { $0.name })
    func helpAgreesWithTheTable(_ name: String) throws {
        let verb = try #require(Verb.named(name))
        for words in [["--help"], ["-h"]] {
            let run = try CommandRun.reloaderd([name] + words)
            #expect(run.status == 0)
            #expect(run.errors.isEmpty)
            let lines = run.output.split(separator: "\n")
            for line in lines { #expect(line.count <= 80, "\(line)") }
            #expect(lines.first == "Usage: reloaderd \(name) \(verb.synopsis)")
            let options = lines.filter { $0.prefix(8).contains("--") && $0.hasPrefix("  ") }
            #expect(options.count == verb.options.count)
            for option in verb.options { #expect(options.contains { $0.contains("\(option.synopsis)  ") }) }
        }
    }
}
