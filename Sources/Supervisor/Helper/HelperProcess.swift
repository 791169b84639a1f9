// One helper process as the daemon sees it: how it is started, and whether it is stuck.
internal import CLinux
internal import Glibc
internal import Reloader

final class HelperProcess {
    let channel: HelperChannel
    let start: ProcessStart
    private let markFile: HandedDescriptor

    var pid: Int32 { start.pid }

    /// Executes the daemon's own program: what it was started from, even if its file was replaced since.
    ///
    /// - Parameter name: the daemon's.
    init(name: String) throws(SystemError) {
        let (ours, theirs) = try HelperChannel.pair()
        let mark = HandedDescriptor(try TouchMark.make())
        let root = HandedDescriptor(
            FileDescriptor(owning: try checked("open", "/") { rl_open_path(AT_FDCWD, "/") }))
        let null = HandedDescriptor(
            FileDescriptor(owning: try checked("open", "/dev/null") { open("/dev/null", O_RDWR | O_CLOEXEC) }))
        let arguments = CStrings(["reloaderd: ports of \(name)", HelperMain.argument].map { Array($0.utf8) })
        var request = rl_spawn_request()
        request.executable = -1
        request.directory = root.number
        request.mask = -1
        request.cpu = -1
        defer { withExtendedLifetime(arguments) {} }
        do throws(StartFailure) {
            // The descriptors stand at the places of HelperMain.channelNumber and markNumber.
            start = try ProcessStart(
                request, path: Self.program, arguments: arguments.pointers + [nil], environment: [nil],
                descriptors: [null.number, null.number, null.number, theirs.number, mark.number], limits: [],
                handed: [root, null, theirs, mark])
        } catch {
            var error = error.error
            error.subject = Self.program
            throw error
        }
        markFile = mark
        channel = HelperChannel(ours, waits: false)
    }

    /// For a new process too, until it has executed it.
    private static let program = "/proc/self/exe"

    /// Whose things it has touched last.
    var subject: TouchSubject { TouchMark.read(markFile.number) }

    /// Does not wait for the end: there may be none.
    func kill() { start.kill() }

    /// Returns true if it has ended; it is reaped then.
    func reap() throws(SystemError) -> Bool {
        var exit = rl_exit()
        let number = start.exit.number
        try checked("waitid", "the helper") { rl_reap_pidfd(number, &exit) }
        if exit.pid != 0 { start.isGone() }
        return exit.pid != 0
    }

    // MARK: whether it is stuck

    /// What it did between two looks tells whether it waits.
    struct Activity: Equatable {
        let state: Character
        let switches: Int
        let cpuSeconds: Double

        /// It neither runs nor waits for a processor.
        var waits: Bool { "SDTt".contains(state) }
        /// Somebody has sent it SIGSTOP.
        var isStopped: Bool { "Tt".contains(state) }
    }

    /// nil: it has ended.
    ///
    /// - Parameter buffer: scratch space for files of /proc.
    func activity(_ buffer: UnsafeMutableRawBufferPointer) -> Activity? {
        let lines = ProcFile.lines("/proc/\(pid)/status")
        func field(_ name: String) -> Substring? {
            lines.first { $0.hasPrefix(name) }?.dropFirst(name.count).drop { $0 == "\t" || $0 == " " }
        }
        guard let state = field("State:")?.first, let status = ProcessStatus(pid, buffer), !status.hasEnded else {
            return nil
        }
        let switches = ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"].compactMap {
            field($0).flatMap { Int($0) }
        }
        return Activity(state: state, switches: switches.reduce(0, &+), cpuSeconds: status.cpuSeconds)
    }
}
