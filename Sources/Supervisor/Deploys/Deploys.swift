// All deploys: those under way, the last one that ended, and the history. Deploys hears the core's reports, and says
// which deploys have news for clients that wait.
internal import Glibc
internal import Reloader

final class Deploys {
    private let story: Story
    /// Keyed by the generation that the deploy goes to.
    private var underWay: [Int: Deploy] = [:]
    /// The generation of the roll that goes on now, its revert included.
    private var rolling: Int?
    private var isStopping = false
    private(set) var last: Deploy?
    private var history = DeployHistory(path: nil)
    private var isChanged = false

    init(_ story: Story) { self.story = story }

    // MARK: for the daemon that comes next

    static let key = "deploys"

    private struct State: Codable {
        let underWay: [Deploy.State]
        let rolling: Int?
        let isStopping: Bool
        let last: Deploy.State?
        let history: DeployHistory
    }

    func row() throws(StateError) -> StateRow {
        try StateRow(
            Self.key,
            State(
                underWay: underWay.values.map { $0.state }, rolling: rolling, isStopping: isStopping,
                last: last?.state, history: history))
    }

    init(_ rows: StateRows, _ story: Story) throws(StateError) {
        let state = try Self.state(rows)
        self.story = story
        for deploy in state.underWay { underWay[deploy.facts.number] = Deploy(deploy) }
        rolling = state.rolling
        isStopping = state.isStopping
        last = state.last.map { Deploy($0) }
        history = state.history
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try state(rows) }

    private static func state(_ rows: StateRows) throws(StateError) -> State {
        let state = try rows.value(State.self, key)
        guard state.history.isSound else { throw .malformed("the history of deploys") }
        return state
    }

    // MARK: begin

    /// To be called before the core hears of the deploy, which may be over before the core has answered.
    @discardableResult
    func begin(_ generation: Generation, _ order: DeployOrder, workers: Int, isStart: Bool = false) -> Deploy {
        let deploy = Deploy(GenerationFacts(generation), order, workers: workers, isStart: isStart)
        underWay[deploy.generation] = deploy
        isChanged = true
        history.append(deploy)
        return deploy
    }

    /// Notes a reload that did not begin.
    func refuse(_ asker: Asker, at time: timespec, _ reason: String) {
        isChanged = true
        history.append(refusal: reason, of: asker, at: time)
    }

    /// Whether something may have changed since the last call.
    func takeIsChanged() -> Bool {
        defer { isChanged = false }
        return isChanged
    }

    // MARK: the history

    /// Reads the history of earlier daemons in `folder`, and keeps the history there. If that fails, logs it and keeps
    /// the history in memory only.
    ///
    /// - Parameter name: the name of this daemon among those that use the same folder.
    func openHistory(in folder: String, name: String) {
        var opened = DeployHistory(path: "\(folder)/\(name).history")
        do throws(SystemError) { try makeFolder(folder, mode: 0o700) } catch { return tellHistory("\(error)") }
        // A file that can't be read must not be overwritten either.
        do throws(FileReadError) { try opened.load() } catch { return tellHistory("\(error)") }
        history = opened
    }

    /// Returns the newest `limit` entries, oldest first.
    func entries(_ limit: Int, _ releases: Releases) -> JSON {
        history.last(limit, changed: releases.changedFiles)
    }

    /// Rewrites the history's file, if something has changed.
    ///
    /// - Parameter isLast: this is the last chance to write what could not be written before.
    func save(isLast: Bool = false) {
        do throws(SystemError) { try history.save(isLast: isLast) } catch {
            tellHistory(isLast ? "\(error)" : "\(error); what is missing will be written with the next deploy")
        }
    }

    private func tellHistory(_ reason: String) {
        story.tell(LogRecord(.warning, "history_unavailable", "cannot keep the history of deploys: \(reason)"))
    }

    // MARK: what happens

    /// Takes note of `report`, and returns the deploys that it is about. Deploys that the report ended are no longer
    /// under way.
    ///
    /// - Parameters:
    ///   - asker: the asker of the rollback that begins; nil: the deploy was announced by `begin`.
    ///   - failure: what is known about the worker that made a deploy fail.
    func hear(_ report: Report, asker: Asker?, failure: DeployFailure?, _ releases: Releases) -> [Deploy] {
        switch report {
        case .worker, .recycle: break
        case .roll, .pool: isChanged = true
        }
        return switch report {
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
        case .bounded(let target, _, _), .canaryWaits(let target, _, _, _), .promoted(let target, _):
            return deploys(target)
        case .done(let target, _, _):
            guard let deploy = underWay[target] else { return [] }
            if deploy.order.isRollback { note(releases.notes(serving: target, afterRollback: true), deploy, target) }
            return end(target, .done)
        case .superseded(let target, let by):
            return end(target, .superseded, "generation \(by) was requested in the meantime")
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
        // A pause does not hold up a revert.
        case .paused, .resumed:
            return rolling.map(deploys)?.filter { $0.failure == nil } ?? []
        case .drainingAll: return endReverts()
        case .stopping, .gaveUp:
            isStopping = true
            return endReverts()
        case .backoffBegan, .refused, .scaled: return []
        }
    }

    /// Ends the other deploys when a newer reload comes. The core does not report the end of a revert, or of a start
    /// that never became ready.
    private func cutShort(by target: Int) -> [Deploy] {
        underWay.values.filter { $0.generation != target }.flatMap { deploy in
            deploy.failure == nil
                ? end(deploy.generation, .superseded, "generation \(target) was requested in the meantime")
                : end(deploy.generation, .failed, "generation \(target) was requested during the revert")
        }
    }

    /// Ends the deploys that are not rolls to the core: reverts, and a start that never became ready.
    private func endReverts() -> [Deploy] {
        underWay.values.filter { $0.failure != nil || $0.isStart }.flatMap { endByStop($0.generation) }
    }

    private func endByStop(_ generation: Int) -> [Deploy] {
        isStopping
            ? end(generation, .stopped, "the daemon is stopping, and no worker serves any more")
            : end(generation, .failed, "all workers are drained, and none serves until the next reload")
    }

    /// Logs and keeps what people should know about the generation that serves again.
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
