// The arguments of the verb `reload`.
internal import Reloader

struct ReloadRequest {
    var wait: Bool
    var changes: DeployOrder.Changes

    init(_ arguments: inout ControlArguments) throws(ControlError) {
        wait = try arguments.bool("wait", default: true)
        changes = DeployOrder.Changes()
        changes.arguments = try arguments.texts("arguments")
        changes.plan.timeout = try arguments.seconds("timeout_s")
        changes.plan.surge = try arguments.whole("surge", in: ControlLimits.workers)
        changes.plan.soak = try arguments.seconds("soak_s")
        changes.plan.maxFailures = try arguments.whole("max_failures", in: ControlLimits.failures) ?? 0
        changes.note = try arguments.text("note", scalarsMax: ControlLimits.noteScalarsMax).map { printable($0) }
        let slots = try arguments.whole("canary", in: ControlLimits.workers)
        let time = try arguments.seconds("canary_time_s")
        if time != nil && slots == nil { throw .usage("reload: canary_time_s needs canary") }
        changes.plan.canary = slots.map { Canary(slots: $0, time: time) }
    }
}
