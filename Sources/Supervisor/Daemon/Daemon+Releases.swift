// What going back to a generation does not bring back: files that were changed in place, and links that lead to another
// release by now.
internal import Glibc
internal import Reloader

extension Daemon {
    /// Empty for one that is no longer kept.
    func changedFiles(of generation: Int) -> [String] { generations[generation]?.changedFiles ?? [] }

    /// A rollback to what is no longer there is refused, so that nobody takes it for one that worked.
    func refuseRollbackToChanged(_ asked: Int?) throws(ControlError) {
        guard let target = pool.rollbackTarget(asked), case let files = changedFiles(of: target), !files.isEmpty else {
            return
        }
        let names = files.map { printable($0) }.joined(separator: ", ")
        throw ControlError(
            .refused,
            "rollback refused: \(names) changed since generation \(target) was made, and would not be what it was "
                + "(--force: roll back to the rest of it; releases belong in directories of their own)")
    }

    /// To be called before those who wait for a roll hear of its end.
    func noteReleases(_ report: RollReport) {
        let ended: (roll: Int, serving: Int)
        switch report {
        case .reverted(let target, let base, _): ended = (target, base)
        case .done(let target, _, _): ended = (target, target)
        case .began, .slotReplaced, .canaryWaits, .promoted, .superseded, .failed, .timedOut, .aborted: return
        }
        guard let watch = control.rolls.underWay[ended.roll], let generation = generations[ended.serving],
            watch.order.isRollback || ended.roll != ended.serving
        else { return }
        if let (link, target) = linkLeadingElsewhere(generation) {
            watch.notes.append(
                "\(printable(link)) still points to \(printable(target)): a reload or a restart brings it back")
        }
        let files = watch.order.isRollback ? generation.changedFiles : []
        if !files.isEmpty {
            let names = files.map { printable($0) }.joined(separator: ", ")
            watch.notes.append(
                "\(names) changed since generation \(generation.number) was made, and stays as it is now")
        }
        for note in watch.notes {
            story.tell(LogRecord(.warning, "release_note", note, [("generation", .number(generation.number))]))
        }
    }

    /// The symbolic link by which the working directory or the program was found, if it leads elsewhere now.
    private func linkLeadingElsewhere(_ generation: Generation) -> (link: String, target: String)? {
        var served = stat()
        if let path = generation.program.workingDirectory, fstat(generation.directory.number, &served) == 0,
            leadsElsewhere(path, than: served), let link = lastLink(in: path)
        {
            return link
        }
        let program = generation.program.path
        guard program.utf8.first == UInt8(ascii: "/"), leadsElsewhere(program, than: generation.executable.status)
        else {
            return nil
        }
        return lastLink(in: program)
    }

    private func leadsElsewhere(_ path: String, than served: stat) -> Bool {
        FileTrace(path, in: AT_FDCWD).map { !$0.isSameFile(as: FileTrace(served)) } ?? false
    }

    /// `current` and what it says, for `/srv/web/current/app`.
    private func lastLink(in path: String) -> (link: String, target: String)? {
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
