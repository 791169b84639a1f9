// A word that was meant as a verb is never run as a program: whoever types `reloaderd statsu` wants no worker called that.
import Supervisor

enum MeantVerb {
    /// Words of other tools' hands, and what reloaderd calls it.
    private static let known: [(word: String, advice: String)] = [
        ("start", "to start a program, name it: reloaderd [OPTIONS] PROGRAM [ARG...]"),
        ("run", "to start a program, name it: reloaderd [OPTIONS] PROGRAM [ARG...]"),
        ("init", "there is nothing to set up: reloaderd [OPTIONS] PROGRAM [ARG...]"),
        ("ps", "did you mean reloaderd status, or reloaderd list?"),
        ("top", "did you mean reloaderd status --watch?"),
        ("monit", "did you mean reloaderd status --watch?"),
        ("show", "did you mean reloaderd status?"),
        ("describe", "did you mean reloaderd status?"),
        ("info", "did you mean reloaderd status?"),
        ("log", "did you mean reloaderd logs (of the workers), or reloaderd events (of the daemon)?"),
        ("undo", "did you mean reloaderd rollback?"),
        ("revert", "did you mean reloaderd rollback?"),
        ("deploy", "did you mean reloaderd reload?"),
        ("upgrade", "did you mean reloaderd reload?"),
        ("kill", "did you mean reloaderd stop, or reloaderd stop --fast?"),
        ("shutdown", "did you mean reloaderd stop?"),
        ("delete", "did you mean reloaderd stop?"),
        ("enable", "a service that starts at boot is systemd's: systemctl enable reloaderd@NAME"),
        ("disable", "a service that starts at boot is systemd's: systemctl disable reloaderd@NAME"),
    ]

    /// Those that simply work, where they stand first.
    static let aliases = ["ls": "list"]
    static let plain = ["help", "version"]

    /// What is wrong with `word` as a program; nil: nothing.
    static func problem(with word: String) -> ConfigurationError? {
        guard let advice = advice(on: word) else { return nil }
        return ConfigurationError(
            "\(quoted(word)) is not a verb: \(advice) (to run a program of that name: reloaderd -- \(printable(word)))")
    }

    private static func advice(on word: String) -> String? {
        if let entry = known.first(where: { $0.word == word }) { return entry.advice }
        let verb = Verb.all.first { isSlip(word, of: $0.name) }
        return verb.map { "did you mean reloaderd \($0.name)?" }
    }

    /// One typing error, or two in a long word that begins alike; case and dashes are none. A path is no verb.
    private static func isSlip(_ word: String, of verb: String) -> Bool {
        let name = Array(verb.utf8)
        let letters = word.utf8.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "_") }
        let lower = letters.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 + 32 : $0 }
        guard lower.count >= 3, abs(lower.count - name.count) <= 2, !lower.contains(UInt8(ascii: "/")) else {
            return false
        }
        let errorsMax = name.count >= 6 && lower.first == name.first ? 2 : 1
        return editDistance(lower, name) <= errorsMax
    }
}
