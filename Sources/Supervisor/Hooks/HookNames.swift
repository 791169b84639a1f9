// Which of the core's reports hooks are told of, under which public name.
internal import Reloader

extension Report {
    /// The event's name for hooks; nil: they are not told.
    var hookName: String? {
        switch self {
        case .worker(let report): if case .failed = report.what { "crashed" } else { nil }
        case .roll(let report): report.hookName
        case .recycle: nil
        case .pool(.ready): "ready"
        case .pool(.gaveUp): "give-up"
        case .pool: nil
        }
    }
}

extension RollReport {
    fileprivate var hookName: String? {
        switch self {
        case .done: "deployed"
        case .failed, .timedOut: "failed"
        case .reverted: "reverted"
        case .promoted: "promoted"
        case .began, .slotReplaced, .canaryWaits, .superseded, .aborted: nil
        }
    }
}
