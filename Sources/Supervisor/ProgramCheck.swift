// What --check wants to know of a program, found in the way in which a start would find it.

/// Why no generation could be made of `program` now; nil: it could. Starts nothing.
public func problem(with program: Program) -> GenerationError? {
    do throws(GenerationError) {
        _ = try Generation(number: 1, program: program, inherited: Environment.inherited().withoutOuterSupervisor())
        return nil
    } catch { return error }
}
