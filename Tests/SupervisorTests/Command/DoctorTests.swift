import Foundation
import Glibc
import Testing

@testable import Supervisor
@testable import reloaderd

/// `reloaderd doctor`, by the real binary, in surroundings that lack something: the exact line, and the exit status.
@Suite struct DoctorTests {
    private static let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]

    /// What it says: the lines by topic, and the status.
    private func doctor(
        _ words: [String], under launcher: [String] = [], executable: String = Products.reloaderd,
        environment: [String] = environment
    ) throws -> (lines: [String], status: Int32, errors: String) {
        let run = try CommandRun.run(launcher + [executable, "doctor"] + words, environment: environment)
        return (run.output.split(separator: "\n").map(String.init), run.status, run.errors)
    }

    /// The one line about this topic, without the blanks that make columns.
    private func line(_ topic: String, _ lines: [String]) throws -> String {
        let found = lines.map { $0.split(separator: " ").joined(separator: " ") }
            .filter { line in Finding.Level.allCases.contains { line.hasPrefix("\($0.rawValue) \(topic) ") } }
        try #require(found.count == 1, "\(topic): \(lines)")
        return found[0]
    }

    /// The status says what the worst line does, as people read it and as scripts do.
    @Test func theStatusIsThatOfTheWorstLine() throws {
        for words in [
            [], ["--listen", "127.0.0.1:0", "/bin/true"], ["--control", "/nonexistent/a.sock", "/bin/true"],
        ] {
            let (lines, status, errors) = try doctor(words)
            #expect(errors == "")
            let levels = lines.dropLast().map { $0.prefix { $0 != " " } }
            #expect(levels.allSatisfy { Finding.Level(rawValue: String($0)) != nil }, "\(lines)")
            let expected: Int32 = levels.contains("broken") ? 1 : levels.contains("less") ? 2 : 0
            #expect(status == expected, "\(lines)")
            let start = ["reloaderd works here: ", "reloaderd cannot work here: ", "reloaderd works here with less: "]
            #expect(lines.last?.hasPrefix(start[Int(expected)]) == true, "\(lines)")

            let json = try doctor(["--json"] + words)
            #expect(json.status == expected && json.lines.count == 1)
            let object = try #require(
                JSONSerialization.jsonObject(with: Data(json.lines[0].utf8)) as? [String: Any])
            #expect(object["type"] as? String == "doctor")
            let checks = try #require(object["checks"] as? [[String: Any]])
            #expect(checks.count == levels.count)
            for level in Finding.Level.allCases {
                let count = checks.count { $0["level"] as? String == level.rawValue }
                #expect(object[level.rawValue] as? Int == count)
                #expect(count == levels.count { $0 == level.rawValue })
            }
            for check in checks where check["level"] as? String != "ok" {
                #expect(check["cost"] is String && check["cure"] is String, "\(check)")
            }
        }
    }

    // MARK: the kernel

    /// By the words of confined.c.
    private static let refusals: [(refusal: String, words: [String], line: String, status: Int32)] = [
        (
            "no-getfd", ["-w", "2"],
            "broken sharing pidfd_getfd: Operation not permitted: workers that bind a port themselves cannot share it, "
                + "and reloaderd does not start (in a container, add the capability SYS_PTRACE or allow pidfd_getfd in "
                + "its seccomp profile, or use --listen or --no-share)", 1
        ),
        (
            "no-getfd", ["-w", "1"],
            "less sharing pidfd_getfd: Operation not permitted: a reload of a program that binds its own port fails "
                + "(in a container, add the capability SYS_PTRACE or allow pidfd_getfd in its seccomp profile, or use "
                + "--listen or --no-share)", 2
        ),
        ("no-getfd", ["-w", "2", "--listen", "127.0.0.1:0"], "ok sharing not needed with --listen", 0),
        ("no-getfd", ["-w", "2", "--no-share"], "ok sharing not needed with --no-share", 0),
        (
            "taken", ["-w", "2"],
            "broken sharing seccomp user notification: Device or resource busy: workers that bind a port themselves "
                + "cannot share it, and reloaderd does not start (give the outer reloaderd, or other reader of system "
                + "calls, --no-share, or use --listen or --no-share)", 1
        ),
        (
            "no-pidfd-open", ["--no-share"],
            "broken pidfd Operation not permitted: workers can be neither watched nor signalled (allow it in the "
                + "container's seccomp profile: pidfd_open(2), Linux 5.3)", 1
        ),
        (
            "no-thread-pidfd", [],
            "note pidfd-thread Invalid argument: a thread with a descriptor table of its own is refused shared ports "
                + "(needs PIDFD_THREAD of pidfd_open(2), Linux 6.9)", 0
        ),
        (
            "no-close-range", [],
            "broken close-range Operation not permitted: no worker can be started (allow it in the container's seccomp "
                + "profile: close_range(2), Linux 5.9)", 1
        ),
        (
            "no-bpf", [],
            "note refusing no eBPF for sockets (bpf: Operation not permitted): new connections are dropped at a stop "
                + "instead of refused, and clients try again for a while (start it as root, or with CAP_BPF and "
                + "CAP_NET_ADMIN)", 0
        ),
        (
            "no-exit-info", [],
            "note exit-info Inappropriate ioctl for device: the exit status of workers that are taken over from a "
                + "killed daemon is unknown (needs PIDFD_GET_INFO, Linux 6.15)", 0
        ),
        (
            "no-pass-rights", [],
            "note pass-rights Protocol not available: the workers' own user can make the daemon wait, by descriptors "
                + "that are slow to close (needs SO_PASSRIGHTS, Linux 6.16)", 0
        ),
        (
            "no-netlink", [],
            "less sock-diag Address family not supported by protocol: a drain does not wait for handshakes that are "
                + "under way, and the process that has a port is not named (needs sock_diag(7))", 2
        ),
        (
            "no-steering", [],
            "less steering Protocol not available: new connections also reach workers that are leaving (needs "
                + "SO_ATTACH_REUSEPORT_CBPF)", 2
        ),
        (
            "no-socket-filter", [],
            "less refusing no eBPF for sockets (bpf: Operation not permitted), and no socket filter: connections that "
                + "come during a stop are reset at its end (start it as root, or with CAP_BPF and CAP_NET_ADMIN)", 2
        ),
    ]

    @Test(.enabled(if: Launcher.isRoot, "needs root, whose kernel refuses nothing else"), arguments: refusals.indices)
    func saysWhatTheKernelRefuses(_ index: Int) throws {
        let (refusal, words, expected, status) = Self.refusals[index]
        let found = try doctor(words + ["/bin/true"], under: [try BuiltPrograms.c("confined"), refusal])
        let topic = expected.split(separator: " ")[1]
        #expect(try line(String(topic), found.lines) == expected)
        #expect(found.status == status, "\(found.lines)")
    }

    // MARK: limits

    @Test func countsDescriptors() throws {
        let few = try doctor(
            ["-w", "64", "--no-share", "/bin/true"], under: Launcher.words + ["limit", "nofile", "128", "128", "--"])
        #expect(
            try line("open-files", few.lines)
                == "broken open-files 128, and 64 workers take 384: not all workers can be started (raise the hard "
                + "limit: ulimit -Hn 704, or LimitNOFILE=704 in the unit)")
        #expect(few.status == 1)
        let some = try doctor(
            ["-w", "64", "--no-share", "/bin/true"], under: Launcher.words + ["limit", "nofile", "128", "400", "--"])
        #expect(
            try line("open-files", some.lines)
                == "less open-files 400, and 64 workers take up to 704 in a reload: a reload may have to wait for "
                + "descriptors (raise the hard limit: ulimit -Hn 704, or LimitNOFILE=704 in the unit)")
        #expect(some.status == 2)
    }

    @Test(.enabled(if: Launcher.isRoot, "needs root, to become somebody else"))
    func countsProcessesOfTheUser() throws {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        // A user of whom nobody has processes.
        let found = try doctor(
            ["-w", "8", "--surge", "2", "--no-share", "/bin/true"],
            under: Launcher.words + ["limit", "nproc", "5", "5", "user", "61234", "61234", "--"],
            executable: copies.daemon)
        #expect(
            try line("processes", found.lines)
                == "broken processes 5, of which user 61234 has 1: not all of 8 workers can be started (raise it: "
                + "ulimit -u, LimitNPROC= in the unit, or --rlimit nproc=N)")
        #expect(found.status == 1)
    }

    @Test func readsControlGroups() throws {
        let folder = try TestFolder()
        try folder.write("proc/self/cgroup", "0::/web\n")
        try folder.write("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        let files = ["pids.max": "10", "pids.current": "7", "memory.max": "268435456", "memory.current": "1048576"]
        for (name, text) in files { try folder.write("sys/fs/cgroup/web/\(name)", "\(text)\n") }
        var settings = Settings()
        settings.workers = .fixed(3)
        settings.maxMemory = 128 << 20
        let plan = Plan(settings, DaemonRights())
        #expect(
            taskFinding(plan, root: folder.path)?.words
                == "10, of which the control group has 7: a reload cannot start 1 beside 3 workers (raise pids.max: "
                + "TasksMax= in the unit, or --pids-limit of the container)")
        #expect(
            memoryFinding(plan, root: folder.path)?.words
                == "256M in the control group, of which 1M are used: 3 workers, and 1 more in a reload, may take 128M "
                + "each before --max-memory replaces one: the kernel may kill first (raise memory.max: MemoryMax= in "
                + "the unit, --memory of the container; or lower --max-memory)")
        settings.maxMemory = 32 << 20
        #expect(memoryFinding(Plan(settings, DaemonRights()), root: folder.path)?.level == .ok)
        settings.workers = .fixed(4)
        #expect(taskFinding(Plan(settings, DaemonRights()), root: folder.path)?.level == .broken)
        for name in files.keys { try folder.write("sys/fs/cgroup/web/\(name)", "max\n") }
        #expect(taskFinding(plan, root: folder.path) == nil)
    }

    @Test(.disabled(if: Namespaces.problem != nil, "\(Namespaces.problem ?? "")"))
    func readsTheNetworksSettings() throws {
        let inOwnNetwork = { (setting: String) in
            ["unshare", "--net", "sh", "-c", "ip link set lo up && sysctl -qw \(setting) && exec \"$@\"", "sh"]
        }
        let queue = try doctor(["--backlog", "512", "/bin/true"], under: inOwnNetwork("net.core.somaxconn=128"))
        #expect(
            try line("somaxconn", queue.lines)
                == "less somaxconn 128, and --backlog is 512: no more than 128 connections wait on a socket, and "
                + "further ones are dropped (sysctl net.core.somaxconn=512, or --backlog 128)")
        #expect(queue.status == 2)
        let migrates = try doctor(["/bin/true"], under: inOwnNetwork("net.ipv4.tcp_migrate_req=1"))
        #expect(try line("tcp-migrate-req", migrates.lines) == "ok tcp-migrate-req 1")
    }

    // MARK: ports

    @Test func namesWhoHoldsAPort() throws {
        let holder = try TestListener()
        let found = try doctor(["--listen", "127.0.0.1:\(holder.port)", "/bin/true"])
        let name = try #require(PortHolder(of: .tcp4(address: 0x7F00_0001, port: UInt16(holder.port)))).command
        #expect(
            try line("port 127.0.0.1:\(holder.port)", found.lines)
                == "broken port 127.0.0.1:\(holder.port) in use by \(name) (pid \(getpid())): reloaderd does not start "
                + "(end that process, or choose another port)")
        #expect(found.status == 1)
        // Another network's address.
        let foreign = try doctor(["--listen", "192.0.2.1:8080", "/bin/true"])
        #expect(
            try line("port 192.0.2.1:8080", foreign.lines)
                == "broken port 192.0.2.1:8080 this machine has no such address: reloaderd does not start (ip "
                + "address shows those that it has; net.ipv4.ip_nonlocal_bind=1 allows others)")
        #expect(foreign.status == 1)
    }

    /// The port is the daemon's own, and stays usable while doctor looks at it.
    @Test func theRunningDaemonIsNotInItsOwnWay() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let words = ["--control", "\(folder.path)/c.sock", "--name", "own", "--listen", "127.0.0.1:\(port)"]
        let daemon = try DaemonUnderTest(words + ["-w", "1", Products.httpWorker])
        try daemon.next("pool_ready")
        let found = try doctor(words + ["/bin/true"])
        #expect(
            try line("port 127.0.0.1:\(port)", found.lines)
                == "ok port 127.0.0.1:\(port) in use by the running daemon of this name")
        #expect(Network.get(port) != nil)
        #expect(try daemon.stop() == 0)
    }

    @Test(.enabled(if: Launcher.isRoot, "needs root, to give it up"), .disabled(if: Namespaces.problem != nil))
    func knowsPrivilegedPorts() throws {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        let network = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]
        let words = ["--listen", "127.0.0.1:80", "/bin/true"]
        let refused = try doctor(words, under: network + Launcher.asNobody, executable: copies.daemon)
        #expect(
            try line("port 127.0.0.1:80", refused.lines)
                == "broken port 127.0.0.1:80 port 80 is below net.ipv4.ip_unprivileged_port_start, 1024: reloaderd "
                + "may not bind it, and does not start (start it as root, with "
                + "AmbientCapabilities=CAP_NET_BIND_SERVICE, or lower that number)")
        #expect(refused.status == 1)
        #expect(try line("port 127.0.0.1:80", doctor(words, under: network).lines) == "ok port 127.0.0.1:80 free")
        let shared = ["--share", "443", "/bin/true"]
        let less = try doctor(shared, under: network + Launcher.asNobody, executable: copies.daemon)
        #expect(try line("port 443", less.lines).hasPrefix("less port 443 --share 443, which is below "))
    }

    @Test func looksAtThePlacesOfUnixSockets() throws {
        let folder = try TestFolder()
        let path = try folder.write("file", "")
        let found = try doctor([
            "--listen", "unix:\(path)", "--listen", "unix:/nonexistent/a.sock", "--listen",
            "unix:\(folder.path)/b.sock",
            "--listen", "unix:@c", "/bin/true",
        ])
        #expect(
            try line("port unix:\(path)", found.lines)
                == "broken port unix:\(path) the file there is not a socket: reloaderd does not start (move it away, "
                + "or choose another path)")
        #expect(try line("port unix:/nonexistent/a.sock", found.lines).contains("No such file or directory"))
        #expect(try line("port unix:\(folder.path)/b.sock", found.lines).hasPrefix("ok "))
        #expect(!folder.contains("b.sock"))
    }

    // MARK: places, users, clocks

    @Test(.enabled(if: Launcher.isRoot, "needs root, to give it up")) func looksAtTheDirectories() throws {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        let run = "\(folder.path)/run"
        mkdir(run, 0o755)
        let found = try doctor(
            ["--no-share", "/bin/true"], under: Launcher.asNobody, executable: copies.daemon,
            environment: Self.environment + ["XDG_RUNTIME_DIR=\(run)", "HOME=/"])
        let control = try line("control", found.lines)
        #expect(
            control
                == "less control cannot write into \(run), Permission denied: no control socket, so that no "
                + "verb reaches the daemon (let user 65534 write there, set XDG_RUNTIME_DIR, or --control PATH)")
        #expect(
            try line("history", found.lines)
                == "less history cannot write into /, Permission denied: the history of deploys is not kept (let "
                + "user 65534 write there, or set XDG_STATE_HOME)")
        #expect(found.status == 2)
        let chosen = try doctor(["--control", "/nonexistent/a.sock", "/bin/true"])
        #expect(
            try line("control", chosen.lines)
                == "broken control cannot write into /nonexistent, No such file or directory: reloaderd does not "
                + "start (make the directory, choose another --control PATH, or --control none)")
    }

    @Test(.enabled(if: Launcher.isRoot, "needs root, to give it up in part"))
    func knowsWhatAnotherUserNeeds() throws {
        let missing: [(capability: String, level: String, cost: String, status: Int32)] = [
            ("setuid", "broken", "no worker can be started", 1), ("kill", "broken", "workers cannot be signalled", 1),
            (
                "chown", "less", "any local user can fill the notify sockets of workers, so that heartbeats are lost", 2
            ),
        ]
        for (capability, level, cost, status) in missing {
            let found = try doctor(
                ["--user", "65534", "--listen", "127.0.0.1:0", "/bin/true"],
                under: ["setpriv", "--inh-caps=-\(capability)", "--bounding-set=-\(capability)"])
            #expect(
                try line("user", found.lines)
                    == "\(level) user workers are to run as user 65534, and CAP_\(capability.uppercased()) is missing: "
                    + "\(cost) (start it as root with that capability, or without --user)")
            #expect(found.status == status, "\(found.lines)")
        }
    }

    @Test(.enabled(if: Launcher.isRoot, "needs root, for a namespace of clocks"))
    func looksAtTheClocks() throws {
        let found = try doctor(["/bin/true"], under: ["unshare", "--time", "--boottime", "100000", "--fork"])
        let line = try line("sleep", found.lines)
        #expect(line.hasPrefix("note sleep this machine has slept for 1"), "\(line)")
        let past = clockFindings(ClockReading(wall: 86_400, monotonic: 10, boot: 10))
        #expect(
            past.map(\.words) == [
                "the wall clock is in the past, at 86400 seconds after 1970: times in the log and the history are "
                    + "wrong (set it: timedatectl set-ntp true)"
            ])
        #expect(past.map(\.level) == [.less])
    }

    /// An image that has nothing: no shell, no users, no /run, no /tmp.
    @Test(.disabled(if: Namespaces.problem != nil, "\(Namespaces.problem ?? "")"))
    func worksInAnEmptyImage() throws {
        let folder = try TestFolder()
        let script = """
            set -e; root=$1; shift
            mkdir "$root/proc"
            for file in $(ldd "$1" | grep -o '/[^ ]*'); do
                mkdir -p "$root${file%/*}"; : >"$root$file"; mount --bind "$file" "$root$file"
            done
            : >"$root/reloaderd"; mount --bind "$1" "$root/reloaderd"; shift
            mount -t proc proc "$root/proc"
            exec chroot "$root" /reloaderd "$@"
            """
        let inside = [
            "unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "sh", folder.path, Products.reloaderd,
        ]
        let words = ["doctor", "--on-event", "x", "--listen", "127.0.0.1:0", "--control", "none", "/reloaderd"]
        let run = try CommandRun.run(inside + words, environment: Self.environment)
        let lines = run.output.split(separator: "\n").map(String.init)
        #expect(run.errors == "" && run.status == 2, "\(run)")
        #expect(
            try line("hooks", lines)
                == "less hooks no /bin/sh: --on-event runs nothing (put a shell into the image, or leave --on-event "
                + "out)"
        )
        #expect(!lines.contains { $0.hasPrefix("broken") }, "\(lines)")
        // Not even /proc: no command line can be read then, and it says so.
        let bare = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"]
        let none = try CommandRun.run(bare + [Products.reloaderd, "doctor"], environment: Self.environment)
        #expect(
            none.status == 1 && none.errors == "reloaderd: /proc is not mounted (mount -t proc proc /proc)\n", "\(none)"
        )
    }

    // MARK: the words after it

    @Test func whatCheckFindsIsBroken() throws {
        let found = try doctor(["--pid-file", "/nonexistent/pid", "--listen", "unix:a", "./nothing"])
        let broken = found.lines.filter { $0.hasPrefix("broken") }.joined(separator: "\n")
        for words in ["./nothing: No such file", "--pid-file: cannot write into", "a relative path depends"] {
            #expect(broken.contains(words), "\(broken)")
        }
        #expect(found.status == 1)
    }

    @Test func garbageIsRefused() throws {
        let refusals = [
            ["--wrokers", "2"]: "reloaderd: unknown option '--wrokers': did you mean --workers?\n",
            ["--workers"]: "reloaderd: --workers needs a value: --workers auto|N\n",
            ["--json=1"]: "reloaderd: --json takes no value\n",
            ["--check", "/bin/true"]:
                "reloaderd: doctor takes the options of a start, and --check and --version are none\n",
            ["--workers", "0", "/bin/true"]: "reloaderd: --workers: '0' is not auto or a number from 1 to 4096\n",
            ["--config", "/nonexistent/conf"]:
                "reloaderd: config file: cannot read /nonexistent/conf: No such file or directory\n",
        ]
        for (words, expected) in refusals {
            let found = try doctor(words)
            #expect(found.status == 64 && found.lines.isEmpty, "\(words) \(found)")
            #expect(found.errors == expected)
        }
        // Its options come first or among the others; those of the program are the program's.
        for words in [["--json", "-w2"], ["-w2", "--json"], ["-w2", "--json", "--", "/bin/true", "--json"]] {
            #expect(try doctor(words).lines.first?.hasPrefix("{") == true, "\(words)")
        }
        #expect(try doctor(["/bin/true", "--json"]).lines.first?.hasPrefix("{") == false)
        #expect(try doctor(["--help"]).lines.first == "Usage: reloaderd doctor [OPTIONS] [PROGRAM [ARG...]]")
        // A program's name that is near the verb's.
        #expect(try CommandRun.reloaderd(["docker"]).errors.contains("no such program in PATH"))
    }
}
