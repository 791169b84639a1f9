// The texts of --help, made of the tables of options and verbs.

/// The text of --help: lines of at most 80 columns.
func helpText() -> String {
    """
    Usage: reloaderd [OPTIONS] PROGRAM [ARG...]
           reloaderd VERB [OPTIONS] ...

    Keeps one worker of PROGRAM per CPU running behind sockets that outlive the
    workers, and on HUP replaces them by the new version without losing a request.

    \(optionLines(Option.all))
    Verbs, for a running daemon; reloaderd VERB --help explains each:
    \(Verb.all.map { "  \(padded($0.name, 12))\($0.summary)\n" }.joined())
    Options with ... may be repeated. Durations are 250ms, 30s, 5m, 1h; sizes 64M.
    Signals: HUP reload, TERM and INT graceful stop, QUIT fast stop, USR1 reopen
    log files, USR2 upgrade, TTIN and TTOU one worker more or fewer, WINCH drain all
    workers.
    The manual: man reloaderd.

    """
}

/// The text of `reloaderd VERB --help`.
func helpText(of verb: Verb) -> String {
    """
    Usage: reloaderd \(verb.name) \(verb.synopsis)

    \(verb.explanation)

    \(optionLines(verb.options))
    """
}

/// The options under the headings of their groups, an empty line after each group.
private func optionLines<Target>(_ options: [CommandOption<Target>]) -> String {
    // The column at which explanations begin. A longer option has its explanation on the next line.
    let column = 32
    var text = ""
    for group in OptionGroup.allCases {
        let members = options.filter { $0.group == group }
        if members.isEmpty { continue }
        text += "\(group.rawValue):\n"
        for option in members {
            let synopsis = "  " + synopsis(option)
            let gap = synopsis.count < column ? padded("", column - synopsis.count) : "\n" + padded("", column)
            text += synopsis + gap + option.help + (option.defaultText.map { " [\($0)]" } ?? "") + "\n"
        }
        text += "\n"
    }
    return String(text.dropLast())
}

/// `-w, --workers auto|N`.
private func synopsis<Target>(_ option: CommandOption<Target>) -> String {
    let short = option.short.map { "-\(Character(Unicode.Scalar($0))), " } ?? "    "
    return short + option.synopsis + (option.isRepeatable ? " ..." : "")
}
