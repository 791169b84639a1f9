// The completion script for zsh.

func zshCompletion() -> String {
    let verbs = CompletionTable.verbs.map { "            '\($0.verb):\(quotable($0.summary))'\n" }.joined()
    let cases = CompletionTable.verbs.map { entry in
        """
                    \(entry.verb))
                        _arguments -S \\
        \(arguments(entry).map { "                    \($0)" }.joined(separator: " \\\n")) ;;

        """
    }
    return """
        #compdef reloaderd
        # zsh completion of reloaderd, printed by `reloaderd completion zsh`.

        _reloaderd_daemons() {
            local -a names=(${(f)"$(\(CompletionTable.daemonNames))"})
            _describe 'daemon' names
        }

        _reloaderd_verbs() {
            local -a verbs=(
        \(verbs)    )
            _describe 'verb' verbs
        }

        _reloaderd_program() {
            _alternative 'commands:program:_command_names -e' 'files:program:_files -g "*(*)"'
        }

        _reloaderd_first() {
            _reloaderd_verbs
            _reloaderd_program
        }

        _reloaderd() {
            if ((CURRENT > 2)); then
                case $words[2] in
        \(cases.joined())            *) _reloaderd_daemon ;;
                esac
            else
                _reloaderd_daemon
            fi
        }

        _reloaderd_daemon() {
            local first=_reloaderd_program
            if ((CURRENT == 2)); then first=_reloaderd_first; fi
            _arguments -S -A '-*' \\
        \(CompletionTable.daemon.options.flatMap(spec).map { "        \($0)" }.joined(separator: " \\\n")) \\
                "1:program:$first" \\
                '*:: :_normal'
        }

        # Autoloaded from $fpath, this is the function's first call; sourced, it registers the function.
        if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
            _reloaderd "$@"
        elif (( $+functions[compdef] )); then
            compdef _reloaderd reloaderd
        else
            print -u2 'reloaderd: the completion needs: autoload -Uz compinit && compinit'
        fi

        """
}

private func arguments(_ entry: CompletionTable.Entry) -> [String] {
    // The verb itself is a word.
    var arguments = entry.options.flatMap(spec) + ["'1: :'"]
    if entry.takesName { arguments.append("'2::daemon:_reloaderd_daemons'") }
    if let operand = entry.operand {
        let place = entry.takesName ? 3 : 2
        arguments.append("'\(place):\(quotable(entry.operandName)):\(action(operand))'")
    }
    if entry.takesArguments { arguments.append("'*:argument:_files'") }
    return arguments
}

/// One specification for each name: `'(-w --workers)--workers=[how many]:auto|N:(auto)'`.
private func spec(_ option: CompletionTable.Option) -> [String] {
    let exclusion = option.isRepeatable ? "*" : "(\(option.names.joined(separator: " ")))"
    let help = "[\(quotable(option.help))]"
    return option.names.map { name in
        guard let value = option.value else { return "'\(exclusion)\(name)\(help)'" }
        let isLong = name.hasPrefix("--")
        let joint = option.isValueOptional ? (isLong ? "=-" : "-") : (isLong ? "=" : "+")
        let colons = option.isValueOptional ? "::" : ":"
        return "'\(exclusion)\(name)\(joint)\(help)\(colons)\(quotable(option.valueName)):\(action(value))'"
    }
}

private func action(_ value: CompletedValue) -> String {
    switch value {
    case .words(let words): "(\(words.joined(separator: " ")))"
    case .file: "_files"
    case .directory: "_files -/"
    case .user: "_users"
    case .group: "_groups"
    case .daemon: "_reloaderd_daemons"
    case .free: " "
    }
}

/// `text` for use inside single quotes, with the characters escaped that have a meaning in a specification of
/// _arguments.
private func quotable(_ text: String) -> String {
    text.map { character in
        switch character {
        case "[", "]", ":", "\\": "\\\(character)"
        case "'": "'\\''"
        default: String(character)
        }
    }.joined()
}
