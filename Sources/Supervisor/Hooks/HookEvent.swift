// What --on-event is told: an event of the pool under its public name, as one JSON object.
internal import Glibc
internal import Reloader

/// One run of the hook, still to come.
struct HookEvent {
    /// RELOADERD_EVENT.
    let name: String
    /// One line.
    let json: [UInt8]
    /// For /bin/sh -c, as the settings had it when the event happened.
    let command: String
    let timeout: Duration
}

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
