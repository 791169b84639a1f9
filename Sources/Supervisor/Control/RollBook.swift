// All rolls: those under way, the last that has ended, and the history of them all.
internal import Glibc
internal import Reloader

final class RollBook {
    /// By the generation that they go to.
    private(set) var underWay: [Int: RollWatch] = [:]
    /// The one that goes on now, its revert included.
    private var rolling: Int?
    private var isStopping = false
    private(set) var last: RollWatch?
    private(set) var history: DeployHistory
    /// The program's arguments as the last deploy that was done has changed them.
    private(set) var arguments: [String]?

    init(_ history: DeployHistory) { self.history = history }

    /// To be called before the core hears of the roll: it may be over before the core has answered.
    func begin(_ watch: RollWatch) {
        underWay[watch.generation] = watch
        history.append(watch)
    }

    /// Nothing has begun.
    func refuse(_ asker: Asker, at time: timespec, _ reason: String) {
        history.append(refusal: reason, of: asker, at: time)
    }

    /// Rewrites the history's file, where something has changed.
    func save(isLast: Bool = false) throws(SystemError) { try history.save(isLast: isLast) }

    /// Takes notice of `report`, and returns the rolls that it is about; those that it has ended are no longer under
    /// way.
    ///
    /// - Parameters:
    ///   - failure: what is known of the worker that made a roll fail.
    ///   - changed: files of a generation that are not what they were when it was made.
    func hear(
        _ report: Report, failure: (WorkerID, Int, FailureReason) -> RollFailure, changed: (Int) -> [String]
    ) -> [RollWatch] {
        switch report {
        case .rollBegan(let target, _, let workers):
            rolling = target
            underWay[target]?.progress(0, of: workers)
            return cutShort(by: target) + watches(target)
        case .slotReplaced(_, _, let replaced, let workers):
            guard let watch = rolling.flatMap({ underWay[$0] }) else { return [] }
            watch.progress(replaced, of: workers)
            return [watch]
        case .workerFailed(_, _, let generation, _):
            return watches(generation)
        case .rollFailed(let target, _, let slot, let id, let reason, _):
            underWay[target]?.fail(failure(id, slot, reason))
            return watches(target)
        case .rollTimedOut(let target, _, let time, _):
            underWay[target]?.fail(RollFailure(timedOutAfter: time))
            return watches(target)
        case .canaryWaits(let target, _, _, _), .promoted(let target, _):
            return watches(target)
        // A revert goes on all the same.
        case .paused, .resumed:
            return rolling.map(watches)?.filter { $0.failure == nil } ?? []
        case .rollReverted(let target, let base, _):
            let isTimeout = underWay[target]?.failure?.isTimeout ?? false
            return end(target, isTimeout ? .timedOut : .failed, servesAgain(base, changed: changed(base)))
        case .rollSuperseded(let target, let by):
            return end(target, .superseded, "generation \(by) was asked for meanwhile")
        case .rollDone(let target, _, _):
            let ended = end(target, .done)
            for watch in ended { arguments = watch.order.changes.arguments ?? arguments }
            return ended
        case .poolReady:
            return underWay.values.filter { $0.isStart }.flatMap { end($0.generation, .done) }
        case .rollAborted(let target):
            return endByStop(target)
        case .drainingAll: return endReverts()
        case .stopping, .gaveUp:
            isStopping = true
            return endReverts()
        case .workerReady, .workerDraining, .workerKilled, .workerExited, .leftoversEnding, .leftoversKilled,
            .backoffBegan, .scaled, .recycleBegan, .recycleDone, .recycleFailed, .recycleAbandoned, .memoryLimitTooLow,
            .refused:
            return []
        }
    }

    /// A revert, or a start that was never ready, ends unsaid when a newer reload comes.
    private func cutShort(by target: Int) -> [RollWatch] {
        underWay.values.filter { $0.generation != target }.flatMap { watch in
            watch.failure == nil
                ? end(watch.generation, .superseded, "generation \(target) was asked for meanwhile")
                : end(watch.generation, .failed, "generation \(target) was asked for during the revert")
        }
    }

    /// What goes on without a roll of the core's: reverts, and a start that was never ready.
    private func endReverts() -> [RollWatch] {
        underWay.values.filter { $0.failure != nil || $0.isStart }.flatMap { endByStop($0.generation) }
    }

    private func endByStop(_ generation: Int) -> [RollWatch] {
        isStopping
            ? end(generation, .stopped, "the daemon stops, and nobody serves any more")
            : end(generation, .failed, "all workers are drained, and nobody serves until the next reload")
    }

    private func watches(_ generation: Int) -> [RollWatch] { underWay[generation].map { [$0] } ?? [] }

    private func end(_ generation: Int, _ outcome: RollWatch.Outcome, _ reason: String? = nil) -> [RollWatch] {
        guard let watch = underWay.removeValue(forKey: generation) else { return [] }
        watch.end(outcome, reason)
        last = watch
        history.update(watch)
        return [watch]
    }
}
