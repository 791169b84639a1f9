// A reload, whoever asks for it: a HUP and the verb of the control socket come the same way.

internal import Reloader

struct ReloadOrder {
    var asker: Asker
    var changes = Changes()
    /// It goes back to a generation that was there before.
    var isRollback = false

    /// What is to be different from the settings.
    struct Changes {
        /// How this roll is to go.
        var plan = RollPlan()
        /// Of the program; a deploy with them that was done stays in force.
        var arguments: [String]?
        /// What people call the new generation.
        var note: String?
    }
}
