// What the control group allows the daemon, and what follows when that changes.
internal import Reloader

extension Daemon {
    // MARK: CPUs

    /// The CPUs may have changed: with --workers auto the pool follows, unless a person has chosen another number.
    func followCPUs() {
        guard let before = cpuWatch.look(), !pool.isEnding else { return }
        let (old, new) = (before.automatic, cpuWatch.count.automatic)
        guard settings.workers == .automatic, new != old else { return }
        let what = "reloaderd may use \(counted(new, "CPU")) instead of \(old)"
        let follows = !cpuWatch.isOverridden
        story.tell(
            LogRecord(
                .info, "cpus_changed",
                follows
                    ? "\(what): --workers auto follows"
                    : "\(what), and \(counted(pool.policy.workers, "worker")) stay: somebody has chosen that number",
                [("cpus", .number(new)), ("before", .number(old))]))
        if follows { handle(.scale(.to(new))) }
    }

    /// A person has asked for this.
    func scaleByHand(_ change: ScaleChange) {
        cpuWatch.override()
        handle(.scale(change))
    }

    // MARK: memory

    /// nil: memory sets no bound for a roll that begins now.
    func memoryRoom() -> MemoryRoom? {
        let living = workers.living
        return MemoryRoom(beside: living, memoryWatch.gauge, loop.buffer) { measureNow(living, $0) }
    }

    /// The plan with the room that there is now.
    ///
    /// - Throws: why the core would refuse a roll by it.
    func measured(_ plan: RollPlan) throws(RoomRefusal) -> RollPlan {
        guard let room = memoryRoom() else { return plan }
        var plan = plan
        plan.room = room.workers
        if pool.lacksRoom(for: plan) { throw RoomRefusal(description: room.refusal) }
        return plan
    }
}

/// Memory has no room for a roll.
struct RoomRefusal: Error {
    let description: String
}
