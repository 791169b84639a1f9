import Foundation
import Testing

@testable import reloaderd

/// The scripts of `completion`: right to their shells, and what they offer there.
@Suite struct VerbCompletionTests {
    private static func has(_ shell: String) -> Bool {
        (try? CommandRun.run(["/usr/bin/env", shell, "-c", "true"]).status) == 0
    }

    private static let hasZsh = has("zsh")
    private static let hasFish = has("fish")

    /// Writes the script into a folder of the test's own.
    private func script(_ shell: String, in folder: TestFolder) throws -> String {
        let run = try CommandRun.reloaderd(["completion", shell])
        #expect(run.status == 0)
        #expect(run.errors.isEmpty)
        return try folder.write("_reloaderd", run.output)
    }

    private func syntax(_ shell: String) throws {
        let folder = try TestFolder()
        let run = try CommandRun.run(["/usr/bin/env", shell, "-n", try script(shell, in: folder)])
        #expect(run.status == 0)
        #expect(run.errors.isEmpty)
    }

    @Test func bashTakesIt() throws { try syntax("bash") }

    @Test(.disabled(if: !hasZsh, "zsh is not installed")) func zshTakesIt() throws { try syntax("zsh") }

    @Test(.disabled(if: !hasFish, "fish is not installed")) func fishTakesIt() throws { try syntax("fish") }

    /// As the README has it: sourced, not installed.
    @Test(.disabled(if: !hasZsh, "zsh is not installed")) func zshSourcesIt() throws {
        let folder = try TestFolder()
        let script = try script("zsh", in: folder)
        let words =
            "autoload -Uz compinit && compinit -u -d \(folder.path)/dump && source \(script) && "
            + "print $_comps[reloaderd]"
        let run = try CommandRun.run(["/usr/bin/env", "zsh", "-f", "-c", words])
        #expect(run.status == 0 && run.output == "_reloaderd\n" && run.errors.isEmpty, "\(run)")
        let bare = try CommandRun.run(["/usr/bin/env", "zsh", "-f", "-c", "source \(script)"])
        #expect(bare.errors.contains("autoload -Uz compinit && compinit"), "\(bare)")
    }

    @Test(.disabled(if: !hasFish, "fish is not installed")) func fishSourcesIt() throws {
        let run = try CommandRun.run([
            "/usr/bin/env", "HOME=\(try TestFolder().path)", "fish", "--no-config", "-c",
            "\(Products.reloaderd) completion fish | source; complete -C 'reloaderd promo'",
        ])
        #expect(run.status == 0 && run.output.hasPrefix("promote") && run.errors.isEmpty, "\(run)")
    }

    /// Words typed so far, the last one unfinished; and what is offered, or a part of it.
    private static let offers: [(words: [String], offered: [String], isAll: Bool)] = [
        ([""], Verb.all.map { $0.name }, true),
        (["prom"], ["promote"], true),
        (["--log"], ["--log-format"], true),
        (["--log-format", ""], ["auto", "pretty", "text", "json"], true),
        (["--log-format", "j"], ["json"], true),
        (["--log-format", "=", ""], ["auto", "pretty", "text", "json"], true),
        (["--log-format", "="], ["auto", "pretty", "text", "json"], true),
        (["--pin", "--ready", "m"], ["message"], true),
        (["-w", ""], ["auto"], true),
        (["--config", "/etc/passw"], ["/etc/passwd"], false),
        (["--chdir", "/et"], ["/etc"], true),
        (["--user", "roo"], ["root"], true),
        (["reload", "--ca"], ["--canary", "--canary-time"], true),
        (["reload", "--canary", ""], [], true),
        (["reload", "--no-"], ["--no-wait"], true),
        (["reload", "--no-share"], [], true),
        (["reload", "--", "/etc/passw"], ["/etc/passwd"], false),
        (["status", "--json", "--w"], ["--watch"], true),
        (["history", "-"], ["--json", "-n", "--limit", "--name", "--control", "-h", "--help"], true),
        (["doctor", "--log"], ["--log-format"], true),
        (["doctor", "--js"], ["--json"], true),
        (["completion", ""], ["bash", "zsh", "fish"], true),
        (["restart", ""], [], true),
        (["/bin/ech"], ["/bin/echo"], true),
        (["/bin/echo", "/etc/passw"], ["/etc/passwd"], false),
    ]

    @Test(arguments: offers.indices)
    func bashCompletes(_ index: Int) throws {
        let (words, offered, isAll) = Self.offers[index]
        let folder = try TestFolder()
        let driver = """
            source "$1"; shift
            COMP_WORDS=(reloaderd "$@"); COMP_CWORD=$#; COMPREPLY=()
            _reloaderd
            if ((${#COMPREPLY[@]})); then printf '%s\\n' "${COMPREPLY[@]}"; fi
            """
        let run = try CommandRun.run(
            ["/usr/bin/env", "bash", "-c", driver, "bash", try script("bash", in: folder)] + words)
        #expect(run.status == 0)
        #expect(run.errors.isEmpty, "\(run.errors)")
        let lines = run.output.split(separator: "\n").map(String.init)
        if isAll { #expect(lines == offered) } else { #expect(Set(lines).isSuperset(of: offered)) }
    }

    @Test(.disabled(if: !hasFish, "fish is not installed"), arguments: offers.indices)
    func fishCompletes(_ index: Int) throws {
        let (words, offered, isAll) = Self.offers[index]
        // It has its own ways with '=', with programs, and with the order of things.
        guard !words.contains("="), words != [""], !words.contains(where: { $0.hasPrefix("/bin") }) else { return }
        let folder = try TestFolder()
        let line = (["reloaderd"] + words).joined(separator: " ")
        let run = try CommandRun.run(
            [
                "/usr/bin/env", "HOME=\(folder.path)", "fish", "--no-config", "-c",
                "source $argv[1]; complete -C $argv[2]",
            ]
                + [try script("fish", in: folder), line])
        #expect(run.status == 0)
        let lines = run.output.split(separator: "\n").map { String($0.prefix { $0 != "\t" }) }
        // As a first word, programs too. It offers one of an option's two names
        // while nothing but the dash is typed.
        if isAll && words.first != "prom" && words.last != "-" {
            #expect(Set(lines.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }) == Set(offered))
        } else if words.last != "-" {
            #expect(Set(lines).isSuperset(of: offered))
        }
    }

    /// In a shell that a person could sit at, with its own completion system.
    @Test(.disabled(if: !hasZsh, "zsh is not installed"))
    func zshCompletes() throws {
        let folder = try TestFolder()
        _ = try script("zsh", in: folder)
        let setup = """
            PS1='READY> '; fpath=('\(folder.path)' $fpath); autoload -Uz compinit
            compinit -u -d '\(folder.path)/dump'; LISTMAX=1000; TMPPREFIX='\(folder.path)/zsh'
            """
        try folder.write(".zshrc", setup)
        let terminal = try PseudoTerminal(columns: 100, rows: 40)
        let shell = try terminal.start(
            ["/usr/bin/env", "zsh", "-i"],
            environment: [
                "PATH=/usr/bin:/bin", "HOME=\(folder.path)", "ZDOTDIR=\(folder.path)", "TERM=xterm", "LANG=C",
            ])
        try terminal.read(until: "READY> ")
        try terminal.type("reloaderd reload --can\t\t")
        try terminal.read(until: "promote after this long without a crash")
        // ^U takes the line back.
        try terminal.type("\u{15}reloaderd --log-format \t")
        let values = try terminal.read(until: "text")
        #expect(values.contains("json"))
        try terminal.type("\u{15}reloaderd completion f\t")
        try terminal.read(until: "fish")
        try terminal.type("\u{15}exit 7\n")
        #expect(try shell.wait() == 7)
    }

    /// Names of daemons that run are asked from them.
    @Test func bashCompletesNamesOfDaemons() throws {
        let folder = try TestFolder()
        let daemon = try FakeDaemon("blog", in: folder)
        let driver = """
            source "$1"; COMP_WORDS=(reloaderd reload --name b); COMP_CWORD=3; COMPREPLY=()
            _reloaderd; echo "${COMPREPLY[@]}"
            """
        let path = "PATH=\(Products.directory):/usr/bin:/bin"
        let shell = try ChildProcess(
            ["/usr/bin/env", path, "bash", "-c", driver, "bash", try script("bash", in: folder)],
            environment: daemon.environment)
        let peer = try daemon.accept()
        _ = try peer.request()
        peer.say(VerbStatusTests.answer(name: "blog"))
        #expect(try shell.finished().output == "blog\n")
    }
}
