// What can be started: the settings in force, the pinned generations, and what has become of their files since. A
// reload reads the settings again and pins the program as the next generation.
internal import Glibc
internal import Reloader

final class Releases {
    /// The number of failed versions that are remembered. Older ones are unlikely to be deployed again.
    private static let badTracesMax = 16

    /// What a reload is to roll out.
    struct Next {
        let generation: Generation
        /// The newest generation that has failed and was the same version; nil: there is none.
        let sameAsBad: Int?
    }

    /// How a deploy differs from the settings.
    struct Changes: Codable {
        /// How the roll should go.
        var plan = RollPlan()
        /// The program's arguments, which stay in force once a deploy with them is done; nil: unchanged.
        var arguments: [String]?
        /// What people call the new generation.
        var note: String?
    }

    /// The facts of the pool that a reload depends on.
    struct Circumstances {
        /// The number of workers after TTIN, TTOU and `scale`.
        let workers: Int
        /// Oldest first.
        let badGenerations: [Int]
    }

    private let story: Story
    private let readSettings: SettingsSource
    /// The basis of the workers' environments: the daemon's own, without what was meant for the daemon alone.
    let environment: Environment
    /// The settings in force.
    private(set) var settings: Settings
    private var generations: [Int: Generation] = [:]
    private var newest = 0
    /// The traces of the newest generation and of those that have failed.
    private var traces: [Int: GenerationTrace] = [:]
    /// The program's arguments from the last finished deploy that changed them; nil: none did.
    private var arguments: [String]?
    private var isChanged = false

    init(_ settings: Settings, _ environment: Environment, readingAgain: @escaping SettingsSource, _ story: Story) {
        self.settings = settings
        self.environment = environment
        self.story = story
        readSettings = readingAgain
    }

    // MARK: for the daemon that comes next

    static let key = "releases"

    struct State: Codable {
        let settings: Settings
        let newest: Int
        let traces: [Int: GenerationTrace]
        let arguments: [String]?
        /// Those that the core may start.
        let generations: [Int]
    }

    /// - Parameter used: generations that workers still run, even if the core has let go of them.
    func rows(_ used: some Sequence<Generation>) throws(StateError) -> [StateRow] {
        var all = generations
        for generation in used { all[generation.number] = generation }
        var rows = [
            try StateRow(
                Self.key,
                State(
                    settings: settings, newest: newest, traces: traces, arguments: arguments,
                    generations: generations.keys.sorted()))
        ]
        for (_, generation) in all.sorted(by: { $0.key < $1.key }) { rows.append(try generation.row()) }
        return rows
    }

    init(
        _ rows: StateRows, _ state: State, _ environment: Environment, readingAgain: @escaping SettingsSource,
        _ story: Story
    ) throws(StateError) {
        settings = state.settings
        newest = state.newest
        traces = state.traces
        arguments = state.arguments
        self.environment = environment
        self.story = story
        readSettings = readingAgain
        for number in state.generations { generations[number] = try Generation(rows, number) }
    }

    // MARK: generations

    /// The generation; nil: it was released, or never made.
    subscript(number: Int) -> Generation? { generations[number] }

    var all: Dictionary<Int, Generation>.Values { generations.values }

    /// The users of all workers that may be running, but for the daemon's own.
    var strangers: [Stranger] { generations.values.compactMap { $0.program.stranger } }

    /// To be called when the core will start no more workers of this generation.
    func release(_ number: Int) {
        generations[number] = nil
        isChanged = true
    }

    /// Whether something has changed since the last call.
    func takeIsChanged() -> Bool {
        defer { isChanged = false }
        return isChanged
    }

    /// Pins the generation that the daemon starts with.
    func makeFirst() throws(GenerationError) {
        keep(try Generation(number: 1, settings: settings, inherited: environment))
    }

    /// Reads everything again and pins it. If something can't be read or found, the reload is refused and nothing has
    /// changed.
    ///
    /// - Parameter policy: returns what settings mean on this machine, with the ports that this daemon has.
    func makeNext(
        _ changes: Changes, _ circumstances: Circumstances, policy: (Settings) -> Policy
    ) throws(ReloadRefusal) -> Next {
        let fresh = try settings(after: changes, circumstances, policy)
        let generation: Generation
        do throws(GenerationError) {
            generation = try Generation(number: newest + 1, settings: fresh, inherited: environment)
        } catch { throw .generation(error) }
        generation.note = changes.note
        settings = fresh
        keep(generation)
        return Next(generation: generation, sameAsBad: trace(generation, bad: circumstances.badGenerations))
    }

    private func keep(_ generation: Generation) {
        newest = generation.number
        generations[newest] = generation
        isChanged = true
    }

    /// Remembers the generation's trace, and forgets the traces of generations that have not failed.
    ///
    /// - Returns: the newest generation that has failed and was the same version.
    private func trace(_ generation: Generation, bad: [Int]) -> Int? {
        let trace = GenerationTrace(generation, settings.policy)
        let bad = bad.suffix(Self.badTracesMax)
        traces = traces.filter { bad.contains($0.key) }
        let same = bad.last { traces[$0] == trace }
        traces[generation.number] = trace
        return same
    }

    // MARK: settings

    /// To be called when a deploy is done. Its arguments, if it had any, replace those of the command line from now on.
    func deployed(_ changes: Changes) {
        arguments = changes.arguments ?? arguments
        isChanged = true
    }

    /// After a takeover: those of the new start that belong to the process itself.
    func takeOwn(_ started: Settings) {
        settings.name = started.name
        settings.pidFile = started.pidFile
        settings.control = started.control
        settings.controlGroup = started.controlGroup
        settings.logFormat = started.logFormat
        settings.orphans = started.orphans
    }

    /// Whether a reload with the settings of this start would change something, apart from the program's files.
    ///
    /// - Parameter policy: as for `makeNext`.
    func differs(_ started: Settings, policy: (Settings) -> Policy) -> Bool {
        var (fresh, own) = (started, settings)
        if fresh.workers != own.workers || !fresh.keepForLife(of: own).isEmpty { return true }
        fresh.program.arguments = arguments ?? fresh.program.arguments
        (fresh.policy, own.policy) = (policy(fresh), policy(own))
        return fresh != own
    }

    private func settings(
        after changes: Changes, _ circumstances: Circumstances, _ policy: (Settings) -> Policy
    ) throws(ReloadRefusal) -> Settings {
        var fresh: Settings
        do throws(ConfigurationError) { fresh = try readSettings() } catch { throw .configuration(error) }
        let kept = fresh.keepForLife(of: settings)
        if !kept.isEmpty {
            let names = kept.joined(separator: ", ")
            story.tell(
                LogRecord(.warning, "needs_restart", "changed, but only a restart of the daemon applies it: \(names)"))
        }
        let isNewCount = fresh.workers != settings.workers
        // If the user has changed the number, it counts; otherwise the number that the pool was scaled to.
        if !isNewCount { fresh.workers = .fixed(circumstances.workers) }
        fresh.policy = policy(fresh)
        if !isNewCount { fresh.workers = settings.workers }
        if let arguments = changes.arguments ?? arguments { fresh.program.arguments = arguments }
        return fresh
    }

    // MARK: what does not come back

    /// Files that have changed since the generation was made, as a worker that starts now would find them. Empty for a
    /// generation that is no longer kept.
    func changedFiles(of generation: Int) -> [String] { generations[generation]?.changedFiles ?? [] }

    /// What people should know about a generation that serves again: links that lead to another release by now and,
    /// after a rollback, files that were changed in place.
    func notes(serving number: Int, afterRollback isRollback: Bool) -> [String] {
        guard let generation = generations[number] else { return [] }
        var notes: [String] = []
        if let (link, target) = Self.linkLeadingElsewhere(generation) {
            notes.append(
                "\(printable(link)) still points to \(printable(target)), which a reload or a restart would start "
                    + "again")
        }
        let files = isRollback ? generation.changedFiles : []
        if !files.isEmpty {
            let names = files.map { printable($0) }.joined(separator: ", ")
            notes.append("\(names) changed since generation \(number) was made, and the rollback does not undo that")
        }
        return notes
    }

    /// The symbolic link by which the working directory or the program was found, if it leads elsewhere now.
    private static func linkLeadingElsewhere(_ generation: Generation) -> (link: String, target: String)? {
        var served = stat()
        if let path = generation.program.workingDirectory, fstat(generation.directory.number, &served) == 0,
            leadsElsewhere(path, than: FileTrace(served)), let link = lastLink(in: path)
        {
            return link
        }
        let program = generation.program.path
        guard program.utf8.first == UInt8(ascii: "/"), leadsElsewhere(program, than: generation.executable.trace)
        else {
            return nil
        }
        return lastLink(in: program)
    }

    private static func leadsElsewhere(_ path: String, than served: FileTrace) -> Bool {
        FileTrace(path, in: AT_FDCWD).map { !$0.isSameFile(as: served) } ?? false
    }

    /// The last symbolic link in a path and its target: `current`, for `/srv/web/current/app`.
    private static func lastLink(in path: String) -> (link: String, target: String)? {
        var parts = path.split(separator: "/")
        while let name = parts.last {
            let prefix = "/" + parts.joined(separator: "/")
            var target = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlink(prefix, &target, target.count)
            if count > 0 {
                let bytes = target[..<count].map { UInt8(bitPattern: $0) }
                return (String(name), String(decoding: bytes, as: UTF8.self))
            }
            parts.removeLast()
        }
        return nil
    }
}

/// Why a reload did not begin.
enum ReloadRefusal: Error, CustomStringConvertible {
    case configuration(ConfigurationError)
    case generation(GenerationError)
    /// Memory has no room for one more worker; in words.
    case noRoom(String)
    /// The pool is stopping, or has ended and the daemon waits for its last hook. Such a reload is neither logged nor
    /// kept.
    case ending

    var description: String {
        switch self {
        case .configuration(let error): error.description
        case .generation(let error): error.description
        case .noRoom(let words): words
        case .ending: "the pool is stopping: nothing new is started"
        }
    }
}
