// What --check wants to know of the program, found in the way in which a start would find it.

/// Why no generation could be made of these settings now; nil: it could. Starts nothing.
public func problem(with settings: Settings) -> GenerationError? {
    do throws(GenerationError) {
        _ = try Generation(number: 1, settings: settings, inherited: Environment.inherited().withoutOuterSupervisor())
        return nil
    } catch { return error }
}
