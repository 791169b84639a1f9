// Follows the CPUs that the daemon may use. The kernel reports each write to a control group's file by inotify(7), so
// that a quota or a CPU set that is changed while the daemon runs is seen at once and without polling. What no file
// tells (taskset(1), a daemon that is moved to another group) is seen at the next reload.
internal import CLinux
internal import Glibc

final class CPUWatch {
    /// What one read may return: all that one event needs, and many of them.
    private static let readBytes = 4096

    private let loop: Loop
    private let story: Story
    /// nil if nothing is followed.
    private var channel: Channel?
    /// The count at the last look.
    private(set) var count: CPUCount
    /// A person has chosen the number of workers since the daemon started, or since `workers` was changed in the
    /// configuration: that number stays.
    private(set) var isOverridden = false

    init(_ loop: Loop, _ story: Story) {
        self.loop = loop
        self.story = story
        count = CPUCount.current()
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let count: CPUCount
        let isOverridden: Bool
    }

    var state: State { State(count: count, isOverridden: isOverridden) }

    init(_ state: State, _ loop: Loop, _ story: Story) {
        self.loop = loop
        self.story = story
        count = state.count
        isOverridden = state.isOverridden
    }

    // MARK: following

    /// Begins to follow the files.
    func watch() throws(SystemError) {
        let number: Int32
        do throws(SystemError) {
            number = try checked("inotify_init1") { inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK)) }
        } catch { return tell(error) }
        let channel = Channel(FileDescriptor(owning: number))
        for path in CPUCount.files() {
            if inotify_add_watch(number, path, UInt32(IN_MODIFY)) >= 0 { continue }
            let error = SystemError(call: "inotify_add_watch", errno: errno, subject: path)
            // A group has the files of its controllers only.
            if error.errno != ENOENT { tell(error) }
        }
        try loop.watch(channel, .cpus)
        self.channel = channel
    }

    /// Takes the news: some file was written.
    func acknowledge() throws(SystemError) {
        guard let number = channel?.number else { return }
        let buffer = loop.buffer
        while try checkedUnlessWouldBlock("read", "inotify", { read(number, buffer.baseAddress, Self.readBytes) })
            != nil
        {}
    }

    /// Counts again. Returns the count before if it has changed.
    func look() -> CPUCount? {
        let before = count
        count = CPUCount.current()
        return count == before ? nil : before
    }

    /// Call it when a person has chosen the number of workers.
    func override() { isOverridden = true }

    /// Call it when the configuration has a new number of workers, `auto` or another.
    func follow() { isOverridden = false }

    private func tell(_ error: SystemError) {
        story.tell(
            LogRecord(
                .warning, "cpus_not_followed",
                "cannot follow the CPUs that reloaderd may use: \(error) (--workers auto counts them at each reload)"))
    }
}
