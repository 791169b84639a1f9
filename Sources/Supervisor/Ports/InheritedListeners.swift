// Sockets that an outer supervisor hands over: sd_listen_fds(3). Taken by the daemon, and passed on to workers.
internal import Glibc

enum InheritedListeners {
    /// Where the protocol starts counting.
    private static let firstDescriptor: Int32 = 3

    /// LISTEN_FDS is there and names another process: whoever set it did not start us by exec.
    static func areMeantForAnother(_ environment: Environment) -> Bool {
        environment["LISTEN_FDS"] != nil && environment["LISTEN_PID"] != String(getpid())
    }

    /// Takes the sockets that LISTEN_FDS promises to this process; none where they are meant for another.
    ///
    /// - Throws: where the variables contradict themselves or the descriptors.
    static func take(_ environment: Environment) throws(ListenError) -> [Listener] {
        guard let count = environment["LISTEN_FDS"] else { return [] }
        guard environment["LISTEN_PID"] == String(getpid()) else { return [] }
        guard let count = Int32(count), count >= 0, count < 1000 else {
            throw .handedOver("LISTEN_FDS=\(count) is no number of sockets")
        }
        let names = environment["LISTEN_FDNAMES"]?.split(separator: ":", omittingEmptySubsequences: false).map(
            String.init)
        if let names, names.count != Int(count), count > 0 {
            throw .handedOver("LISTEN_FDNAMES has \(names.count) names for \(count) sockets")
        }
        var listeners: [Listener] = []
        for index in 0..<Int(count) {
            let number = firstDescriptor + Int32(index)
            let flags = fcntl(number, F_GETFD)
            guard flags >= 0, fcntl(number, F_SETFD, flags | FD_CLOEXEC) >= 0 else {
                throw .handedOver("descriptor \(number) is not open")
            }
            listeners.append(
                Listener(inherited: FileDescriptor(owning: number), name: names?[index], label: "descriptor \(number)"))
        }
        return listeners
    }
}
