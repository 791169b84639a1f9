// All deploys: those under way, the last that has ended, and the history of them all. It hears what the core reports,
// and says which deploys have news for those who wait.
internal import Glibc
internal import Reloader

final class Deploys {
    private let story: Story
    /// By the generation that they go to.
    private var underWay: [Int: Deploy] = [:]
    /// The one that goes on now, its revert included.
    private var rolling: Int?
    private var isStopping = false
    private(set) var last: Deploy?
    private var history = DeployHistory(path: nil)

    init(_ story: Story) { self.story = story }

    // MARK: begin

    /// To be called before the core hears of the deploy: it may be over before the core has answered.
    @discardableResult
    func begin(_ generation: Generation, _ order: DeployOrder, workers: Int, isStart: Bool = false) -> Deploy {
        let deploy = Deploy(GenerationFacts(generation), order, workers: workers, isStart: isStart)
        underWay[deploy.generation] = deploy
        history.append(deploy)
        return deploy
    }

    /// Nothing has begun.
    func refuse(_ asker: Asker, at time: timespec, _ reason: String) {
        history.append(refusal: reason, of: asker, at: time)
    }

    // MARK: the history

    /// Reads what earlier daemons have left in `folder`, and keeps the history there. What fails is told, and the
    /// history is then kept in memory only.
    ///
    /// - Parameter name: this daemon's, among those that keep theirs in the same folder.
    func openHistory(in folder: String, name: String) {
        var opened = DeployHistory(path: "\(folder)/\(name).history")
        do throws(SystemError) { try makeFolder(folder, mode: 0o700) } catch { return tellHistory("\(error)") }
        // What can't be read is not overwritten either.
        do throws(FileReadError) { try opened.load() } catch { return tellHistory("\(error)") }
        history = opened
    }

    /// The newest `limit`, oldest first.
    func entries(_ limit: Int, _ releases: Releases) -> JSON {
        history.last(limit, changed: releases.changedFiles)
    }

    /// Rewrites the history's file, if something has changed.
    ///
    /// - Parameter isLast: there will be no other deploy with which to write what could not be written.
    func save(isLast: Bool = false) {
        do throws(SystemError) { try history.save(isLast: isLast) } catch {
            tellHistory(isLast ? "\(error)" : "\(error); what it was to say is written with the next deploy")
        }
    }

    private func tellHistory(_ reason: String) {
        story.tell(LogRecord(.warning, "history_unavailable", "cannot keep the history of deploys: \(reason)"))
    }

    // MARK: what happens

    /// Takes notice of `report`, and returns the deploys that it is about; those that it has ended are no longer under
    /// way.
    ///
    /// - Parameters:
    ///   - asker: who has asked for the rollback that begins; nil: what begins was announced by `begin`.
    ///   - failure: what is known of the worker that made a deploy fail.
    func hear(_ report: Report, asker: Asker?, failure: DeployFailure?, _ releases: Releases) -> [Deploy] {
        switch report {
        case .worker(let report): if case .failed = report.what { deploys(report.generation) } else { [] }
        case .roll(let report): hear(report, asker, failure, releases)
        case .recycle: []
        case .pool(let report): hear(report)
        }
    }

    private func hear(
        _ report: RollReport, _ asker: Asker?, _ failure: DeployFailure?, _ releases: Releases
    ) -> [Deploy] {
        switch report {
        case .began(let target, _, let workers):
            rolling = target
            if let asker, let generation = releases[target] {
                begin(generation, DeployOrder(asker: asker, isRollback: true), workers: workers)
            }
            underWay[target]?.progress(0, of: workers)
            return cutShort(by: target) + deploys(target)
        case .slotReplaced(_, _, let replaced, let workers):
            guard let deploy = rolling.flatMap({ underWay[$0] }) else { return [] }
            deploy.progress(replaced, of: workers)
            return [deploy]
        case .canaryWaits(let target, _, _, _), .promoted(let target, _):
            return deploys(target)
        case .done(let target, _, _):
            guard let deploy = underWay[target] else { return [] }
            if deploy.order.isRollback { note(releases.notes(serving: target, afterRollback: true), deploy, target) }
            return end(target, .done)
        case .superseded(let target, let by):
            return end(target, .superseded, "generation \(by) was asked for meanwhile")
        case .failed(let target, _, _, _, _, _):
            if let failure { underWay[target]?.fail(failure) }
            return deploys(target)
        case .timedOut(let target, _, let time, _):
            underWay[target]?.fail(DeployFailure(timedOutAfter: time))
            return deploys(target)
        case .reverted(let target, let base, _):
            guard let deploy = underWay[target] else { return [] }
            note(releases.notes(serving: base, afterRollback: deploy.order.isRollback), deploy, base)
            let outcome: RollOutcome = deploy.failure?.isTimeout ?? false ? .timedOut : .failed
            return end(target, outcome, servesAgain(base, changed: releases.changedFiles(of: base)))
        case .aborted(let target):
            return endByStop(target)
        }
    }

    private func hear(_ report: PoolReport) -> [Deploy] {
        switch report {
        case .ready:
            return underWay.values.filter { $0.isStart }.flatMap { end($0.generation, .done) }
        // A revert goes on all the same.
        case .paused, .resumed:
            return rolling.map(deploys)?.filter { $0.failure == nil } ?? []
        case .drainingAll: return endReverts()
        case .stopping, .gaveUp:
            isStopping = true
            return endReverts()
        case .backoffBegan, .refused, .scaled: return []
        }
    }

    /// A revert, or a start that was never ready, ends unsaid when a newer reload comes.
    private func cutShort(by target: Int) -> [Deploy] {
        underWay.values.filter { $0.generation != target }.flatMap { deploy in
            deploy.failure == nil
                ? end(deploy.generation, .superseded, "generation \(target) was asked for meanwhile")
                : end(deploy.generation, .failed, "generation \(target) was asked for during the revert")
        }
    }

    /// What goes on without a roll of the core's: reverts, and a start that was never ready.
    private func endReverts() -> [Deploy] {
        underWay.values.filter { $0.failure != nil || $0.isStart }.flatMap { endByStop($0.generation) }
    }

    private func endByStop(_ generation: Int) -> [Deploy] {
        isStopping
            ? end(generation, .stopped, "the daemon stops, and nobody serves any more")
            : end(generation, .failed, "all workers are drained, and nobody serves until the next reload")
    }

    /// What people should know of the generation that serves again.
    private func note(_ notes: [String], _ deploy: Deploy, _ generation: Int) {
        deploy.notes += notes
        for note in notes {
            story.tell(LogRecord(.warning, "release_note", note, [("generation", .number(generation))]))
        }
    }

    private func deploys(_ generation: Int) -> [Deploy] { underWay[generation].map { [$0] } ?? [] }

    private func end(_ generation: Int, _ outcome: RollOutcome, _ reason: String? = nil) -> [Deploy] {
        guard let deploy = underWay.removeValue(forKey: generation) else { return [] }
        deploy.end(outcome, reason)
        last = deploy
        history.update(deploy)
        return [deploy]
    }
}
