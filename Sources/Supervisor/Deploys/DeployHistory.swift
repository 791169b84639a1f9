// The history of deploys: in memory for the verb `history`, and in the state directory to outlive the daemon.
internal import Glibc

struct DeployHistory: Codable {
    /// nil: the history is not kept beyond this daemon's life.
    private let path: String?
    /// Oldest first.
    private var entries: [JSON] = []
    /// The number of entries by earlier daemons, which come first.
    private var inheritedCount = 0
    /// The entry of each roll that has not ended, by generation.
    private var places: [Int: Int] = [:]
    private var isDirty = false
    /// The last write failed. The file is written again with the next entry, or at the end.
    private var hasFailed = false

    /// Such a history can go on: each roll has an entry of its own.
    var isSound: Bool { places.values.allSatisfy(entries.indices.contains) && 0...entries.count ~= inheritedCount }

    /// - Parameter path: the path of the file, in a folder that exists.
    init(path: String?) { self.path = path }

    /// Reads the entries of earlier daemons.
    ///
    /// - Throws: if the file can't be read. A missing file counts as empty.
    mutating func load() throws(FileReadError) {
        guard let path else { return }
        let contents: [UInt8]
        do throws(FileReadError) {
            contents = try ownFileContents(path, bytesMax: ControlLimits.historyBytesMax)
        } catch {
            if error.isMissing { return }
            throw error
        }
        // Lines that no reloaderd has written are left out.
        let lines = contents.split(separator: UInt8(ascii: "\n")).suffix(ControlLimits.historyMax)
        entries = lines.compactMap { line in
            guard let entry = try? JSON(parsing: line), entry["generation"]?.whole != nil || Self.isRefusal(entry)
            else {
                return nil
            }
            return Self.settled(entry)
        }
        inheritedCount = entries.count
    }

    /// Returns the newest `limit` entries, oldest first.
    ///
    /// - Parameter changed: returns the files of one of this daemon's generations that differ from what they were when
    ///   the generation was made.
    func last(_ limit: Int, changed: (Int) -> [String]) -> JSON {
        let own = entries.indices.dropFirst(inheritedCount)
        return .array(
            entries.indices.suffix(limit).map { index in
                guard own.contains(index), let generation = entries[index]["generation"]?.whole,
                    case let files = changed(generation), !files.isEmpty, case .object(let members) = entries[index]
                else { return entries[index] }
                return .object(members + [.init("changed_files", .array(files.map { .string($0) }))])
            })
    }

    mutating func append(_ deploy: Deploy) {
        makeRoom()
        places[deploy.generation] = entries.count
        entries.append(deploy.entry)
        isDirty = true
    }

    /// Adds a reload that made no generation. If a reload is refused again and again for the same reason, only the last
    /// refusal is kept.
    mutating func append(refusal reason: String, of asker: Asker, at time: timespec) {
        if let last = entries.last, Self.isRefusal(last), last["reason"]?.text == reason { entries.removeLast() }
        makeRoom()
        entries.append([
            "generation": .null, "what": "reload", "asked_at": .string(LogFormatter.timestamp(time)), "by": asker.json,
            "executable": .null,
            "took_s": .null, "outcome": .word(RollOutcome.refused), "reason": .string(reason),
        ])
        isDirty = true
    }

    private mutating func makeRoom() {
        if entries.count < ControlLimits.historyMax { return }
        entries.removeFirst()
        inheritedCount = max(0, inheritedCount - 1)
        for (generation, place) in places { places[generation] = place > 0 ? place - 1 : nil }
    }

    private static func isRefusal(_ entry: JSON) -> Bool { entry["outcome"] == .word(RollOutcome.refused) }

    /// Notes the outcome of a deploy that has ended.
    mutating func update(_ deploy: Deploy) {
        guard let place = places.removeValue(forKey: deploy.generation) else { return }
        entries[place] = deploy.entry
        isDirty = true
    }

    /// Rewrites the file if something has changed. The file is not synchronised: a power cut may lose the last deploys,
    /// but no deploy makes the daemon wait for the disk.
    ///
    /// - Parameter isLast: this is the last chance to write what could not be written before.
    /// - Throws: only the first of several failures in a row.
    mutating func save(isLast: Bool = false) throws(SystemError) {
        guard isDirty || (isLast && hasFailed), let path else { return }
        isDirty = false
        var bytes: [UInt8] = []
        for entry in entries {
            entry.write(to: &bytes)
            bytes.append(UInt8(ascii: "\n"))
        }
        do throws(SystemError) {
            try SafeFile.replace(path, with: bytes, mode: 0o600)
            hasFailed = false
        } catch {
            defer { hasFailed = true }
            if !hasFailed { throw error }
        }
    }

    /// The entry with its outcome. If it was under way when its daemon ended, its outcome is unknown.
    private static func settled(_ entry: JSON) -> JSON {
        guard case .object(var members) = entry, entry["outcome"] == .null else { return entry }
        for index in members.indices {
            switch members[index].name {
            case "outcome": members[index].value = "unknown"
            case "reason": members[index].value = "the daemon ended before the deploy did"
            default: break
            }
        }
        return .object(members)
    }
}
