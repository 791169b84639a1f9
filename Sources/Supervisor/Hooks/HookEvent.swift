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
        case .poolReady: "ready"
        case .rollDone: "deployed"
        case .rollFailed, .rollTimedOut: "failed"
        case .rollReverted: "reverted"
        case .promoted: "promoted"
        case .workerFailed: "crashed"
        case .gaveUp: "give-up"
        case .workerReady, .workerDraining, .workerKilled, .workerExited, .leftoversEnding, .leftoversKilled,
            .backoffBegan, .rollBegan, .slotReplaced,
            .rollSuperseded, .rollAborted, .canaryWaits, .paused, .resumed, .recycleBegan, .recycleDone, .recycleFailed,
            .recycleAbandoned, .memoryLimitTooLow, .refused, .scaled, .drainingAll, .stopping:
            nil
        }
    }
}
