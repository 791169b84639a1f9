// A machine with a real systemd as PID 1, made by Programs/machine.sh: in namespaces of its own, gone with the test.
import Foundation
import Glibc

final class SystemdMachine {
    /// The path of a built program inside.
    static func inside(_ program: String) -> String { "/programs" + program.dropFirst(Products.directory.count) }

    let folder: TestFolder
    private let process: ChildProcess
    /// nsenter(1), into all of its namespaces.
    private let enter: [String]

    /// Boots. `units` are unit files by name, `files` by their path below the folder (`etc` and `srv` are the machine's
    /// /etc/reloaderd and /srv).
    ///
    /// - Parameter systemd: where another version was unpacked; nil: the real machine's.
    init(units: [String: String], files: [String: String] = [:], systemd: String? = nil) throws {
        folder = try TestFolder()
        for (name, text) in Self.basicUnits.merging(units, uniquingKeysWith: { $1 }) {
            try folder.write("units/\(name)", text)
        }
        for (name, text) in files { try folder.write(name, text) }
        let boot = try NotifyReceiver("\(folder.path)/boot")
        process = try ChildProcess(
            ["\(Products.tests)/Programs/machine.sh", folder.path, Products.directory] + [systemd].compactMap { $0 })
        guard let line = try process.output.next(), let pid = Int32(line) else {
            throw DidNotHappen(description: "no machine: \(try process.errors.rest())")
        }
        enter = ["nsenter", "-t", "\(pid)", "-m", "-u", "-i", "-n", "-C", "--pid=/proc/\(pid)/ns/pid_for_children"]
        _ = try boot.next(with: "READY=1")
    }

    /// Runs a command inside, to its end.
    @discardableResult
    func run(_ words: String...) throws -> CommandRun {
        try CommandRun.run(enter + words, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
    }

    /// Starts a command inside.
    func start(_ words: [String]) throws -> ChildProcess { try ChildProcess(enter + words) }

    /// `systemctl WORD...`: its standard output, if it succeeds.
    @discardableResult
    func systemctl(_ words: String...) throws -> String {
        let run = try CommandRun.run(enter + ["systemctl"] + words, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
        guard run.status == 0 else {
            throw DidNotHappen(description: "systemctl \(words): \(run.status) \(run.errors)\n\(try journal())")
        }
        return run.output
    }

    /// One property of a unit.
    func property(_ name: String, of unit: String) throws -> String {
        try systemctl("show", "--value", "-p", name, unit).split(separator: "\n").joined(separator: "\n")
    }

    /// The PIDs in the cgroup of a unit, as the machine counts them; none if the cgroup is gone.
    func processes(of unit: String) throws -> [String] {
        let group = try property("ControlGroup", of: unit)
        if group.isEmpty { return [] }
        let run = try run("sh", "-c", "cat /sys/fs/cgroup\(group)/cgroup.procs 2>/dev/null || true")
        return run.output.split(separator: "\n").map(String.init)
    }

    func journal(_ words: String...) throws -> String {
        try CommandRun.run(
            enter + ["sh", "-c", "journalctl --sync && journalctl --no-pager \"$@\"", "sh"] + words,
            environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        ).output
    }

    /// Ends it all.
    deinit {
        process.closeInput()
        _ = try? process.wait()
    }

    /// So few units that nothing of the distribution's is started.
    private static let basicUnits = [
        "default.target": """
        [Unit]
        DefaultDependencies=no
        Requires=systemd-journald.socket systemd-journald.service
        After=systemd-journald.socket systemd-journald.service
        """,
        "sysinit.target": "[Unit]\nDefaultDependencies=no\n",
        "basic.target": "[Unit]\nDefaultDependencies=no\n",
        "sockets.target": "[Unit]\nDefaultDependencies=no\n",
        "shutdown.target": "[Unit]\nDefaultDependencies=no\nRefuseManualStart=yes\n",
        "systemd-journald.socket": """
        [Unit]
        DefaultDependencies=no
        [Socket]
        ListenDatagram=/run/systemd/journal/socket
        ListenStream=/run/systemd/journal/stdout
        PassCredentials=yes
        Timestamping=us
        """,
        "systemd-journald.service": """
        [Unit]
        DefaultDependencies=no
        Requires=systemd-journald.socket
        After=systemd-journald.socket
        [Service]
        Type=notify
        ExecStart=/lib/systemd/systemd-journald
        StandardOutput=null
        FileDescriptorStoreMax=4224
        RuntimeDirectory=systemd/journal
        RuntimeDirectoryPreserve=yes
        """,
    ]
}
