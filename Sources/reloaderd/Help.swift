// The text of --help, made from the table of options.

/// What --help prints: lines of at most 80 columns.
func helpText() -> String {
    // Column at which the explanations begin; a longer option has its explanation on the next line.
    let column = 32
    var text = """
        Usage: reloaderd [OPTIONS] PROGRAM [ARG...]

        Keeps one worker of PROGRAM per CPU running, with listening sockets that outlive
        them, and on HUP replaces them by the new version without losing a request.


        """
    for group in Option.Group.allCases {
        text += "\(group.rawValue):\n"
        for option in Option.all where option.group == group {
            let synopsis = "  " + synopsis(option)
            let padding =
                synopsis.count < column
                ? String(repeating: " ", count: column - synopsis.count)
                : "\n" + String(repeating: " ", count: column)
            text += synopsis + padding + option.help + (option.defaultText.map { " [\($0)]" } ?? "") + "\n"
        }
        text += "\n"
    }
    return text + """
        Options with ... may be repeated. Durations are 250ms, 30s, 5m, 1h; sizes 64M.
        Signals: HUP reload, TERM and INT graceful stop, QUIT fast stop, USR1 reopen
        log files, TTIN and TTOU one worker more or fewer, WINCH drain all workers.
        The whole story: man reloaderd.

        """
}

/// `-w, --workers auto|N`.
private func synopsis(_ option: Option) -> String {
    let short = option.short.map { "-\(Character(Unicode.Scalar($0))), " } ?? "    "
    return short + option.synopsis + (option.isRepeatable ? " ..." : "")
}
