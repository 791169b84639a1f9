// The arguments of the verb `reload`.
internal import Reloader

struct ReloadRequest {
    var wait: Bool
    /// The client waits this long, and the roll goes on.
    var timeout: Duration?
    var changes: ReloadOrder.Changes

    init(_ arguments: inout ControlArguments) throws(ControlError) {
        wait = try arguments.bool("wait", default: true)
        timeout = try arguments.seconds("timeout_s")
        changes = ReloadOrder.Changes(
            surge: try arguments.whole("surge", in: 1...Policy.workersMax),
            soak: try arguments.seconds("soak_s"),
            arguments: try arguments.texts("arguments"))
        if timeout != nil && !wait { throw .usage("reload: timeout_s needs wait") }
        for name in ["canary", "canary_time_s", "max_failures"] where arguments.has(name) {
            throw .usage("reload: \(name) is not available in this version of reloaderd")
        }
    }
}
