// The process or key that asked for a deploy, as far as the daemon can tell at that moment.
internal import Glibc

struct Asker: Codable {
    /// The longest part of a command line that is kept.
    private static let commandBytesMax = 1024

    /// nil: a client of the control socket asked or, for the first generation, the process that started the daemon.
    var signal: String?
    /// nil: the process is outside this PID namespace.
    var pid: Int32?
    var userID: UInt32?
    /// The command line, cut; nil if the process is gone already.
    var command: String?
    /// A key was pressed at the daemon's terminal; there is no process then.
    var isKey = false

    init(signal: String? = nil, pid: Int32, userID: UInt32?) {
        self.signal = signal
        self.userID = userID
        guard pid > 0 else { return }
        self.pid = pid
        command = Self.command(of: pid)
    }

    /// For a sentence: `process 123 (deploy.sh)`.
    var words: String {
        guard let pid else { return isKey ? "a key at the terminal" : "a process outside this pid namespace" }
        return command.map { "process \(pid) (\($0))" } ?? "process \(pid)"
    }

    var json: JSON {
        var members: [JSON.Member] = []
        if let signal { members.append(.init("signal", .string(signal))) }
        if let userID { members.append(.init("uid", .integer(Int(userID)))) }
        if let pid { members.append(.init("pid", .integer(Int(pid)))) }
        if let command { members.append(.init("command", .string(command))) }
        return .object(members)
    }

    /// The command line of a process (proc_pid_cmdline(5)), or its short name if that is empty.
    static func command(of pid: Int32) -> String? {
        let line = ProcFile.beginning(of: "/proc/\(pid)/cmdline", atMost: commandBytesMax) ?? []
        let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        if !words.isEmpty { return printable(words.joined(separator: " ")) }
        return ProcessTree.name(of: pid).map { printable(String($0)) }
    }
}
