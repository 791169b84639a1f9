// What --check wants to know of a program, found in the way in which a start would find it.

/// Why no generation could be made of `settings` now; nil: it could. Starts nothing.
public func problemWithProgram(of settings: Settings) -> GenerationError? {
    do throws(GenerationError) {
        _ = try Generation(number: 1, settings: settings, inherited: Environment.inherited().withoutOuterSupervisor())
        return nil
    } catch { return error }
}
