// A reload, whoever asks for it: everything is read again and pinned, and then the core rolls it out.
internal import Reloader

extension Daemon {
    /// Prepares what `order` asks for. What can't be read or found refuses the reload before anything has changed.
    ///
    /// - Returns: what `rollOut` is to be called with at once.
    func prepareReload(_ order: DeployOrder) throws(ReloadRefusal) -> (deploy: Deploy, sameAsBad: Int?) {
        if pool.isEnding { throw .ending }
        var order = order
        let asked = tellReloading(askedBy: order.asker)
        // What no file has told is seen now.
        followCPUs()
        let countBefore = settings.workers
        do throws(ReloadRefusal) {
            do throws(RoomRefusal) { order.changes.plan = try measured(order.changes.plan) } catch {
                throw .noRoom(error.description)
            }
            let changes = order.changes
            let next = try deployReserve.lend { () throws(ReloadRefusal) in
                try releases.makeNext(
                    changes,
                    Releases.Circumstances(workers: pool.policy.workers, badGenerations: pool.badGenerations)
                ) { $0.resolvedPolicy(automaticWorkers: CPUCount.current().automatic, ports: ports.supply) }
            }
            if settings.workers != countBefore { cpuWatch.follow() }
            let deploy = deploys.begin(next.generation, order, workers: settings.policy.workers)
            return (deploy, next.sameAsBad)
        } catch {
            tellRefused(error)
            deploys.refuse(order.asker, at: asked.time, "\(error)")
            throw error
        }
    }

    /// Lets the core roll it out, which may be over when this function returns.
    func rollOut(_ deploy: Deploy, sameAsBad bad: Int?) {
        if let bad { tellUnchanged(deploy, since: bad) }
        renewKeeper()
        handle(
            .reload(generation: deploy.generation, policy: settings.policy, plan: deploy.order.changes.plan))
    }

    /// It is rolled out all the same: what made it fail may be a thing that nobody here can see.
    private func tellUnchanged(_ deploy: Deploy, since bad: Int) {
        let record = story.tell(
            LogRecord(
                .warning, "reload_unchanged",
                "nothing has changed on disk since generation \(bad), which was reverted: the program, the files that "
                    + "its arguments name, its directory and environment are the same",
                [("generation", .number(deploy.generation)), ("same_as", .number(bad))]))
        control.tell(.roll(generation: deploy.generation), progress: deploy.event(record))
    }
}
