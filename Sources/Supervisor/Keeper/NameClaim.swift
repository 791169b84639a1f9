// The name of this daemon among those that use the same runtime directory: no other has it, from before the daemon
// opens its first listener until its end. And what a daemon of this name that has died has left.
internal import Glibc

final class NameClaim {
    let name: String
    /// nil: the daemon has no place of its own, and no other can find it.
    private let lock: NameLock?
    /// Where the keeper of a daemon of this name is found; nil: nowhere.
    let keeperPath: String?
    /// nil: there is nothing to take over, or it was taken.
    private var inheritance: Inheritance?

    /// - Throws: if another daemon has the name, or what a dead one has left can't be taken over.
    init(_ settings: Settings, _ environment: Environment) throws(NameError) {
        let paths = ControlPaths(settings, environment)
        guard let base = Self.base(paths) else {
            (name, lock, keeperPath) = (paths.name, nil, nil)
            return
        }
        var claimed = paths.name
        var lock: NameLock?
        do throws(NameLock.Failure) { lock = try NameLock(at: base(claimed) + Self.lockSuffix) } catch {
            switch error {
            case .isHeld(let pid):
                guard !paths.isChosen else { throw .isTaken(name: claimed, pid: pid) }
                claimed = Self.other(paths)
                lock = try? NameLock(at: base(claimed) + Self.lockSuffix)
            case .failed:
                // The control socket could not be there either, which is told when it is opened.
                (name, self.lock, keeperPath) = (claimed, nil, nil)
                return
            }
        }
        do throws(StateError) {
            if let left = try Inheritance.ask(at: base(claimed) + Self.keeperSuffix) {
                if paths.isChosen || left.isOf(settings.program) {
                    inheritance = left
                } else {
                    // Another program of the same base name; its keeper goes on.
                    left.decline()
                    claimed = Self.other(paths)
                    lock = try? NameLock(at: base(claimed) + Self.lockSuffix)
                }
            }
        } catch { throw .cannotTakeOver(name: claimed, reason: "\(error)") }
        (name, self.lock, keeperPath) = (claimed, lock, base(claimed) + Self.keeperSuffix)
    }

    private static func other(_ paths: ControlPaths) -> String { "\(paths.name)-\(getpid())" }

    /// What a dead daemon of this name has left, once; nil: nothing.
    func takeInheritance() -> Inheritance? {
        defer { inheritance = nil }
        return inheritance
    }

    /// The daemon ends, and leaves nothing.
    func remove() throws(SystemError) { try lock?.remove() }

    // MARK: for the program that comes next

    static let key = "name"

    private struct State: Codable {
        let name: String
        let lock: RowDescriptors.Place?
        let lockPath: String?
        let keeperPath: String?
    }

    func row() throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let state = State(
            name: name, lock: lock.map { descriptors.add($0.descriptor.number) }, lockPath: lock?.path,
            keeperPath: keeperPath)
        return try StateRow(Self.key, state, descriptors)
    }

    init(_ rows: StateRows) throws(StateError) {
        let state = try rows.value(State.self, Self.key)
        name = state.name
        keeperPath = state.keeperPath
        if let place = state.lock, let path = state.lockPath {
            lock = NameLock(held: try rows.descriptor(place, of: Self.key, from: FileDescriptor.upperNumbers), at: path)
        } else {
            lock = nil
        }
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try rows.value(State.self, key) }

    private static let lockSuffix = ".lock"
    private static let keeperSuffix = ".keeper"

    /// nil: there is no place for files.
    private static func base(_ paths: ControlPaths) -> ((String) -> String)? {
        let folder: String
        switch paths.socket {
        case nil: return nil
        case .path(let path)?: return { _ in path }
        case .folder(let path, let mode)?:
            do throws(SystemError) { try makeFolder(path, mode: mode) } catch { return nil }
            folder = path
        case .fallback?:
            do throws(SystemError) { try makeFolder(FallbackDirectory.path, mode: 0o700) } catch { return nil }
            if FallbackDirectory.problem() != nil { return nil }
            folder = FallbackDirectory.path
        }
        return { "\(folder)/\($0)" }
    }
}

/// Why the daemon can't have its name.
public enum NameError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `pid`: nil if it is not known.
    case isTaken(name: String, pid: Int32?)
    /// `reason`: why what a dead daemon has left can't be taken over.
    case cannotTakeOver(name: String, reason: String)

    public var description: String {
        switch self {
        case .isTaken(let name, let pid):
            "another reloaderd has the name \(printable(name))\(pid.map { ": pid \($0)" } ?? "") (stop it, or choose "
                + "another --name or --control)"
        case .cannotTakeOver(let name, let reason):
            "cannot take over what a dead daemon of the name \(printable(name)) has left: \(reason) (its workers serve "
                + "on; to begin again without them, end them and start again)"
        }
    }
}
