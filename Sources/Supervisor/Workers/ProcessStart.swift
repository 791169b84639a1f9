// rl_spawn with Swift's arrays: the one way in which this daemon starts a process, worker or hook.
internal import CLinux

/// Fills in what `request` points to, and starts the process. The arrays of C strings end with NULL.
///
/// - Returns: the process, or the stage at which its set-up failed; nothing of it is left then.
func startProcess(
    _ request: inout rl_spawn_request, path: String, arguments: [UnsafeMutablePointer<CChar>?],
    environment: [UnsafeMutablePointer<CChar>?], descriptors: [Int32], limits: [rl_limit], groups: [UInt32] = []
) -> rl_spawn_result {
    precondition(arguments.last == .some(nil) && environment.last == .some(nil), "execve finds the end by NULL")
    var result = rl_spawn_result()
    request.descriptor_count = Int32(descriptors.count)
    request.limit_count = Int32(limits.count)
    request.group_count = Int32(groups.count)
    path.withCString { path in
        arguments.withUnsafeBufferPointer { arguments in
            environment.withUnsafeBufferPointer { environment in
                descriptors.withUnsafeBufferPointer { descriptors in
                    limits.withUnsafeBufferPointer { limits in
                        groups.withUnsafeBufferPointer { groups in
                            request.path = path
                            request.arguments = arguments.baseAddress
                            request.environment = environment.baseAddress
                            request.descriptors = descriptors.baseAddress
                            request.limits = limits.baseAddress
                            request.groups = groups.baseAddress
                            _ = rl_spawn(&request, &result)
                        }
                    }
                }
            }
        }
    }
    return result
}
