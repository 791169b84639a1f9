// The completion script for fish.

func fishCompletion() -> String {
    let verbs = CompletionTable.verbs.map { $0.verb }.joined(separator: " ")
    let ofDaemon = CompletionTable.daemon.options.map { line("__reloaderd_is ''", $0) }
    let ofVerbs = CompletionTable.verbs.flatMap { entry in
        let condition = "__reloaderd_is \(entry.verb)"
        let files = entry.takesArguments ? [] : ["complete -c reloaderd -n '\(condition)' -f\n"]
        let words = [entry.takesName ? CompletedValue.daemon : nil, entry.operand].compactMap { $0 }.map(offer)
        let operand = words.filter { !$0.isEmpty }.map { "complete -c reloaderd -n '\(condition)'\($0)\n" }
        return files + operand + entry.options.map { line(condition, $0) }
    }
    let first = CompletionTable.verbs.map { entry in
        "complete -c reloaderd -n __reloaderd_is_first -a \(entry.verb) -d \(quoted(entry.summary))\n"
    }
    return """
        # fish completion of reloaderd, printed by `reloaderd completion fish`.

        function __reloaderd_is -a verb
            set -l words (commandline -opc)
            if contains -- "$words[2]" \(verbs)
                test "$words[2]" = "$verb"
            else
                test -z "$verb"
            end
        end

        function __reloaderd_is_first
            test (count (commandline -opc)) -eq 1
        end

        complete -c reloaderd -n __reloaderd_is_first -a '(__fish_complete_command)'
        \(first.joined())\(ofDaemon.joined())\(ofVerbs.joined())
        """
}

private func line(_ condition: String, _ option: CompletionTable.Option) -> String {
    var words = "complete -c reloaderd -n \"\(condition)\" -l \(option.long.dropFirst(2))"
    if let short = option.short { words += " -s \(short.dropFirst())" }
    if let value = option.value { words += option.isValueOptional ? " -f" : offer(value) + required(value) }
    return "\(words) -d \(quoted(option.help))\n"
}

/// -x: the option needs a value, and file names are not offered; -r -F: the value may be a file name.
private func required(_ value: CompletedValue) -> String { value == .file ? " -r -F" : " -x" }

private func offer(_ value: CompletedValue) -> String {
    switch value {
    case .words(let words): " -a '\(words.joined(separator: " "))'"
    case .directory: " -a '(__fish_complete_directories)'"
    case .user: " -a '(__fish_complete_users)'"
    case .group: " -a '(__fish_complete_groups)'"
    case .daemon: " -a \"(\(CompletionTable.daemonNames))\""
    case .file, .free: ""
    }
}

private func quoted(_ text: String) -> String {
    "'" + text.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "'"
}
