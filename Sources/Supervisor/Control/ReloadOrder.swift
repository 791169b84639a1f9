// A reload, whoever asks for it: a HUP and the verb of the control socket come the same way.

struct ReloadOrder {
    var asker: Asker
    var changes = Changes()

    /// What is to be different from the settings.
    struct Changes {
        /// For this roll and what follows it, until the next reload.
        var surge: Int?
        var soak: Duration?
        /// Of the program; a deploy with them that was done stays in force.
        var arguments: [String]?
    }
}
