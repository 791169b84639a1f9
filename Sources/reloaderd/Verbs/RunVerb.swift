// From the words after a verb to the exit status of the command.
import Glibc
import Supervisor

/// Does what `words`, which follow the verb, ask for.
func runVerb(_ verb: Verb, _ words: ArraySlice<String>) -> Int32 {
    let call: Call
    do throws(ConfigurationError) { call = try Call(verb, words) } catch { return refuse([error]) }
    if call.wantsHelp { return printOut(helpText(of: verb)) }
    do throws(VerbError) { return try verb.run(call) } catch {
        return refuse([ConfigurationError(error.message)], status: error.exitStatus)
    }
}
