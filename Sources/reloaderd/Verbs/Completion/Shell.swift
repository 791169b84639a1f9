// The shells whose completion scripts can be made.

enum Shell: String, CaseIterable {
    case bash
    case zsh
    case fish

    var completionScript: String {
        switch self {
        case .bash: bashCompletion()
        case .zsh: zshCompletion()
        case .fish: fishCompletion()
        }
    }
}

/// `completion`: no daemon is asked.
func printCompletion(_ call: Call) throws(VerbError) -> Int32 {
    guard let shell = call.shell else { return exitUsage }
    return printOut(shell.completionScript)
}
