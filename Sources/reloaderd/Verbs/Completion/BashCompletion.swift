// The completion script for bash.

func bashCompletion() -> String {
    let entries = [CompletionTable.daemon] + CompletionTable.verbs
    let verbs = CompletionTable.verbs.map { $0.verb }.joined(separator: " ")
    let options = entries.map { entry in
        """
                '\(entry.verb)')
                    options='\(entry.options.flatMap { $0.names }.joined(separator: " "))'
                    taking='\(entry.options.filter { $0.takesNextWord }.flatMap { $0.names }.joined(separator: " "))' ;;

        """
    }
    let values = entries.flatMap { entry in
        entry.options.compactMap { option in
            option.value.flatMap(offer).map { offer in
                let patterns = option.names.map { "'\(entry.verb) \($0)'" }.joined(separator: " | ")
                return "        \(patterns)) \(offer) ;;\n"
            }
        }
    }
    let operands = CompletionTable.verbs.compactMap { entry in
        (entry.operand.flatMap(offer) ?? (entry.takesName ? offer(.daemon) : nil)).map {
            "            \(entry.verb)) \($0) ;;\n"
        }
    }
    return """
        # bash completion of reloaderd, printed by `reloaderd completion bash`.

        # Everything here completes the caller's $word.
        _reloaderd_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word"); }
        _reloaderd_names() { mapfile -t COMPREPLY < <(compgen "$1" -- "$word"); }
        _reloaderd_files() { compopt -o filenames 2>/dev/null; _reloaderd_names "$1"; }
        _reloaderd_daemons() { _reloaderd_words "$(\(CompletionTable.daemonNames))"; }

        # The value of option $1.
        _reloaderd_value() {
            case "$verb $1" in
        \(values.joined())    esac
        }

        _reloaderd() {
            local word=${COMP_WORDS[COMP_CWORD]} verb='' options taking index previous
            COMPREPLY=()
            if ((COMP_CWORD > 1)) && [[ ' \(verbs) ' == *" ${COMP_WORDS[1]} "* ]]; then verb=${COMP_WORDS[1]}; fi
            case $verb in
        \(options.joined())    esac

            # Find the first word of the program, if it is before the cursor.
            for ((index = 1 + (${#verb} > 0); index < COMP_CWORD; index++)); do
                case ${COMP_WORDS[index]} in
                    --) break ;;
                    =) ((index++)) ;;
                    -*)
                        if [[ " $taking " == *" ${COMP_WORDS[index]} "* && ${COMP_WORDS[index + 1]} != '=' ]]; then
                            ((index++))
                        fi ;;
                    *) if [[ -z $verb ]]; then break; fi ;;
                esac
            done
            if ((index < COMP_CWORD)); then
                if [[ -z $verb ]] && declare -F _command_offset >/dev/null; then
                    if [[ ${COMP_WORDS[index]} == -- ]]; then ((index++)); fi
                    _command_offset "$index"
                else
                    _reloaderd_files -f
                fi
                return
            fi

            previous=${COMP_WORDS[COMP_CWORD - 1]}
            if [[ $word == = ]]; then
                word=''
                _reloaderd_value "$previous"
            elif [[ $previous == = ]]; then
                _reloaderd_value "${COMP_WORDS[COMP_CWORD - 2]}"
            elif ((COMP_CWORD > 1 + (${#verb} > 0))) && [[ " $taking " == *" $previous "* ]]; then
                _reloaderd_value "$previous"
            elif [[ $word == -* ]]; then
                _reloaderd_words "$options"
            else
                case $verb in
        \(operands.joined())            '')
                        # Before the first letter, a list of all commands would not help.
                        if [[ -n $word ]]; then _reloaderd_names -c; fi
                        if ((COMP_CWORD == 1)); then COMPREPLY+=($(compgen -W '\(verbs)' -- "$word")); fi ;;
                esac
            fi
        }

        complete -F _reloaderd reloaderd

        """
}

/// nil if there is nothing to offer.
private func offer(_ value: CompletedValue) -> String? {
    switch value {
    case .words(let words): "_reloaderd_words '\(words.joined(separator: " "))'"
    case .file: "_reloaderd_files -f"
    case .directory: "_reloaderd_files -d"
    case .user: "_reloaderd_names -u"
    case .group: "_reloaderd_names -g"
    case .daemon: "_reloaderd_daemons"
    case .free: nil
    }
}
