// Why a slot's worker has failed, for `status`.
internal import Reloader

struct SlotFailure {
    let reason: String
    let at: Instant
}
