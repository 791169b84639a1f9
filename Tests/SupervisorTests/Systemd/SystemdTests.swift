// The packaged unit under a real systemd: start, reload, stop, crash, watchdog, socket activation.
import Foundation
import Glibc
import Testing

@Suite(.disabled(if: Namespaces.systemdProblem != nil, "\(Namespaces.systemdProblem ?? "")"))
struct SystemdTests {
    private static let unit = "reloaderd@web.service"
    private static let httpWorker = "#!/bin/sh\nexec \(SystemdMachine.inside(Products.httpWorker))\n"

    /// The unit as it is packaged, but for the place of the executable.
    private static func packaged(_ name: String) throws -> String {
        try String(contentsOfFile: "\(Products.package)/packaging/\(name)", encoding: .utf8)
            .replacingOccurrences(of: "/usr/local/bin/reloaderd", with: SystemdMachine.inside(Products.reloaderd))
    }

    /// A machine with an app `web` whose release 1 is `run`.
    /// Its workers are nobody's.
    private func machine(
        options: String = "listen 127.0.0.1:8080\nworkers 2\n", user: String? = "nobody", run: String = httpWorker,
        units: [String: String] = [:],
        systemd: String? = nil
    ) throws -> SystemdMachine {
        let units = try [Self.unit: "", "reloaderd@.service": Self.packaged("reloaderd@.service")].merging(units) { $1 }
        let machine = try SystemdMachine(
            units: units.filter { !$0.value.isEmpty },
            files: ["etc/web.conf": "log-format json\n\(options)\(user.map { "user \($0)\n" } ?? "")"],
            systemd: systemd)
        try deploy("1", run, on: machine)
        return machine
    }

    /// Writes a release and points `current` at it, as a deployment does: by rename.
    private func deploy(_ release: String, _ run: String, on machine: SystemdMachine) throws {
        let web = "\(machine.folder.path)/srv/web"
        // By a process of its own: a child of another test that is just between fork and exec would hold a file that
        // this process writes open, and what somebody may write can't be run.
        let text = try machine.folder.write("texts/\(release)", run)
        try CommandRun.run(["install", "-D", "-m", "755", text, "\(web)/releases/\(release)/run"])
        guard symlink("releases/\(release)", "\(web)/next") == 0, rename("\(web)/next", "\(web)/current") == 0 else {
            throw DidNotHappen(description: "cannot deploy: \(String(cString: strerror(errno)))")
        }
    }

    @Test func startReturnsWhenThePoolIsReady() throws {
        let machine = try machine(
            run:
                "#!/bin/sh\nread line </srv/web/gate.$RELOADERD_SLOT\n"
                + "exec \(SystemdMachine.inside(Products.httpWorker))\n"
        )
        let gates = try (0..<2).map { try Gate(in: machine.folder, "srv/web/gate.\($0)") }
        let log = try SystemdLog(of: Self.unit, on: machine)
        let start = try machine.start(["systemctl", "start", Self.unit])
        gates[0].letPass()
        try log.next("worker_ready")
        #expect(start.isRunning)
        #expect(try machine.property("ActiveState", of: Self.unit) == "activating")
        gates[1].letPass()
        #expect(try start.wait() == 0)
        #expect(try machine.property("ActiveState", of: Self.unit) == "active")
        #expect(try machine.property("StatusText", of: Self.unit) == "2 workers serve generation 1")
        // journalctl knows the levels: they stand before the lines, and are not part of them.
        #expect(try machine.journal("-u", Self.unit, "-p", "warning").contains("worker_ready") == false)
        #expect(try machine.journal("-u", Self.unit, "-p", "info").contains("worker_ready"))
        #expect(!log.log.isEmpty)
    }

    /// Under RestrictNamespaces= clone3(2) is unknown, so that each worker joins its group itself.
    @Test func aDelegatedUnitGivesEachWorkerAControlGroup() throws {
        let machine = try machine(
            options: "listen 127.0.0.1:8080\nworkers 2\ncgroup\n",
            units: ["reloaderd@.service.d/groups.conf": "[Service]\nDelegate=yes\nProtectControlGroups=no\n"])
        try machine.systemctl("start", Self.unit)
        let place = "/sys/fs/cgroup\(try machine.property("ControlGroup", of: Self.unit))"
        func groups() throws -> [Substring] {
            try machine.run("sh", "-c", "cat \(place)/worker-*/cgroup.procs").output.split(separator: "\n")
        }
        #expect(try groups().count == 2)
        let before = Set(try groups())
        try machine.systemctl("reload", Self.unit)
        #expect(Set(try groups()).subtracting(before).count == 2)
        try machine.systemctl("stop", Self.unit)
        #expect(try machine.property("Result", of: Self.unit) == "success")
    }

    @Test func withoutDelegationTheUnitSaysWhatItNeeds() throws {
        let machine = try machine(options: "listen 127.0.0.1:8080\ncgroup\n")
        #expect(try machine.run("systemctl", "start", Self.unit).status != 0)
        let journal = try machine.journal("-u", Self.unit)
        #expect(journal.contains("(a unit needs Delegate=yes and ProtectControlGroups=no;"), "\(journal)")
    }

    /// The main job: deployments and a restart of the app under load, and a stop that leaves nothing behind.
    @Test func reloadsUnderLoadLoseNothingAndStopIsGraceful() throws {
        let machine = try machine()
        let log = try SystemdLog(of: Self.unit, on: machine)
        try machine.systemctl("start", Self.unit)
        let clients = try [load(machine), load(machine, "--keep-alive")]
        for release in 2...4 {
            try deploy("\(release)", Self.httpWorker, on: machine)
            try machine.systemctl("reload", Self.unit)
            #expect(try machine.property("StatusText", of: Self.unit) == "2 workers serve generation \(release)")
            try log.next("reload_done") { $0.generation == release }
        }
        for client in clients {
            let report = try report(of: client)
            #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
            #expect(Set(report.workers.map(\.generation)).isSuperset(of: [1, 2, 3]), "\(report.workers)")
        }
        #expect(try machine.property("StatusText", of: Self.unit) == "2 workers serve generation 4")
        #expect(try machine.property("ActiveState", of: Self.unit) == "active")
        let main = try machine.property("MainPID", of: Self.unit)
        #expect(try machine.processes(of: Self.unit).contains(main))

        try machine.systemctl("stop", Self.unit)
        #expect(try machine.property("Result", of: Self.unit) == "success")
        #expect(try machine.property("ExecMainStatus", of: Self.unit) == "0")
        #expect(try machine.property("ActiveState", of: Self.unit) == "inactive")
        #expect(try machine.processes(of: Self.unit).isEmpty)
        #expect(try machine.property("NRestarts", of: Self.unit) == "0")
    }

    /// Nobody has said that workers are to be root's.
    @Test func aConfigurationWithoutAUserIsRefused() throws {
        let machine = try machine(user: nil)
        let run = try machine.run("systemctl", "start", Self.unit)
        #expect(run.status != 0)
        #expect(try machine.property("ExecMainStatus", of: Self.unit) == "64")
        #expect(try machine.property("NRestarts", of: Self.unit) == "0")
        #expect(try machine.journal("-u", Self.unit).contains("no user is named, so that workers would run as root"))

        // It can be said, and be forgotten in a reload.
        let log = try SystemdLog(of: Self.unit, on: machine)
        for (user, uid) in [("root", "0"), ("nobody", "65534")] {
            try machine.folder.write("etc/web.conf", "log-format json\nlisten 127.0.0.1:8080\nuser \(user)\n")
            try machine.systemctl("start", Self.unit)
            let pid = try #require(try log.next("worker_ready").pid)
            #expect(try machine.run("stat", "-c", "%u", "/proc/\(pid)").output == "\(uid)\n")
            try machine.folder.write("etc/web.conf", "log-format json\nlisten 127.0.0.1:8080\n")
            #expect(throws: DidNotHappen.self) { try machine.systemctl("reload", Self.unit) }
            #expect(try log.next("reload_refused").message.contains("no user is named"))
            try machine.systemctl("stop", Self.unit)
        }
    }

    /// Within all that the unit forbids, workers share a port below 1024 as another user, are emptied from outside, and
    /// have none of root's rights.
    @Test func confinementLeavesSharingAndDrainsAlone() throws {
        let machine = try machine(
            options: "workers 2\n",
            run: "#!/bin/sh\nexec python3 -m http.server --bind 127.0.0.1 80\n")
        let log = try SystemdLog(of: Self.unit, on: machine)
        try machine.systemctl("start", Self.unit)
        let pid = try #require(try log.next("worker_ready").pid)
        try log.next("pool_ready")
        let status = try machine.run("cat", "/proc/\(pid)/status").output
        for line in ["Uid:\t65534\t65534\t65534\t65534", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"] {
            #expect(status.contains(line), "\(status)")
        }
        let client = try load(machine, port: 80, "--connections", "2")
        for _ in 0..<2 { try machine.systemctl("reload", Self.unit) }
        let report = try report(of: client)
        #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
        // What the daemon could not do, it would have said.
        #expect(log.log.filter { $0.level != "info" }.map(\.text) == [])
        try machine.systemctl("stop", Self.unit)
        #expect(try machine.property("Result", of: Self.unit) == "success")
        let warnings = try machine.journal("-u", Self.unit, "-p", "warning")
        #expect(!warnings.contains("event"), "\(warnings)")
    }

    @Test func aMissingProgramFailsTheStartForGood() throws {
        let machine = try machine()
        unlink("\(machine.folder.path)/srv/web/releases/1/run")
        let run = try machine.run("systemctl", "start", Self.unit)
        #expect(run.status != 0)
        #expect(try machine.property("ExecMainStatus", of: Self.unit) == "127")
        #expect(try machine.property("ActiveState", of: Self.unit) == "failed")
        #expect(try machine.property("NRestarts", of: Self.unit) == "0")
        let status = try machine.run("systemctl", "status", "--no-pager", Self.unit).output
        #expect(status.contains("status=127"), "\(status)")
        let journal = try machine.journal("-u", Self.unit)
        #expect(journal.contains("./run: No such file or directory"), "\(journal)")
    }

    @Test func aWorkersCrashIsNoneOfSystemdsBusinessAndADaemonsIs() throws {
        let machine = try machine()
        let log = try SystemdLog(of: Self.unit, on: machine)
        try machine.systemctl("start", Self.unit)
        let first = try log.next("started").pid
        let victim = try #require(try log.next("worker_ready").pid)
        try log.next("pool_ready")
        let before = try Set(machine.processes(of: Self.unit))
        // The daemon, its keeper, and two workers.
        #expect(before.count == 4)

        try machine.run("kill", "-KILL", "\(victim)")
        try log.next("worker_ready")
        #expect(try machine.property("ActiveState", of: Self.unit) == "active")
        #expect(try machine.property("MainPID", of: Self.unit) == "\(try #require(first))")
        #expect(try machine.property("NRestarts", of: Self.unit) == "0")

        // Its workers go with it, so that the next one finds the port free.
        try machine.systemctl("kill", "--signal=KILL", "--kill-who=main", Self.unit)
        #expect(try log.next("started").pid != first)
        try log.next("pool_ready")
        #expect(try machine.property("NRestarts", of: Self.unit) == "1")
        let after = try Set(machine.processes(of: Self.unit))
        #expect(after.count == 4)
        #expect(after.isDisjoint(with: before))
        #expect(try report(of: load(machine)).failed == 0)
    }

    @Test func aDaemonThatHangsIsReplacedByTheWatchdog() throws {
        let machine = try machine(units: ["reloaderd@web.service.d/watchdog.conf": "[Service]\nWatchdogSec=1\n"])
        let log = try SystemdLog(of: Self.unit, on: machine)
        try machine.systemctl("start", Self.unit)
        try log.next("pool_ready")
        try machine.systemctl("kill", "--signal=STOP", "--kill-who=main", Self.unit)
        try log.next("pool_ready")
        #expect(try machine.journal("-u", Self.unit).contains("Failed with result 'watchdog'"))
    }

    // MARK: socket activation

    private static let socket = """
        [Socket]
        ListenStream=127.0.0.1:8080
        FileDescriptorName=web-port
        """

    @Test func socketsOfASocketUnitReachTheWorkersAndOutliveTheDaemon() throws {
        let machine = try machine(options: "workers 2\n", units: ["reloaderd@web.socket": Self.socket])
        let log = try SystemdLog(of: Self.unit, on: machine)
        try machine.systemctl("start", "reloaderd@web.socket")
        #expect(try machine.property("ActiveState", of: Self.unit) == "inactive")
        // The first connection starts it.
        let client = try load(machine)
        let listening = try log.next("listening")
        #expect(listening.fields["name"] as? String == "web-port")
        try log.next("pool_ready")
        for _ in 0..<2 {
            try machine.systemctl("restart", Self.unit)
            try log.next("pool_ready")
        }
        let report = try report(of: client)
        #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
        #expect(Set(report.workers.map(\.pid)).count >= 2, "\(report.workers)")
    }

    @Test func workersSeeTheirOwnSupervisorOnly() throws {
        let machine = try machine(
            options: "workers 1\nenv PATH=/usr/bin:/bin\nwatchdog 1h\n",
            run: "#!/bin/sh\nexec python3 /srv/worker.py show ready serve\n",
            units: ["reloaderd@web.socket": Self.socket])
        try machine.folder.write("srv/worker.py", try String(contentsOfFile: Products.worker, encoding: .utf8))
        let log = try SystemdLog(of: Self.unit, on: machine)
        try machine.systemctl("start", "reloaderd@web.socket")
        try machine.systemctl("start", Self.unit)
        let pid = try #require(try log.next("worker_ready").pid)
        // Standard output is another stream: it may come later.
        let line = try log.nextOther(containing: "LISTEN_FDS")
        let shown = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        let variables = try #require(shown["env"] as? [String: String])
        #expect(variables["LISTEN_FDS"] == "1")
        #expect(variables["LISTEN_FDNAMES"] == "web-port")
        #expect(variables["LISTEN_PID"] == "\(pid)")
        #expect(variables["NOTIFY_SOCKET"] != nil)
        #expect(variables["NOTIFY_SOCKET"]?.contains("/run/systemd") == false)
        // The unit's WatchdogSec is 30s, and the daemon's own affair.
        #expect(variables["WATCHDOG_USEC"] == "3600000000")
        #expect(variables["WATCHDOG_PID"] == nil)
        // systemd's own view: what the daemon got.
        let daemon = try machine.property("MainPID", of: Self.unit)
        let outer = try machine.run("cat", "/proc/\(daemon)/environ").output.split(separator: "\0")
        #expect(outer.contains("WATCHDOG_USEC=30000000"))
        #expect(outer.contains("LISTEN_PID=\(daemon)"))
    }

    /// `systemctl reload` tells the truth, and the journal why.
    @Test func aBrokenReleaseFailsTheReload() throws {
        let machine = try machine()
        try machine.systemctl("start", Self.unit)
        try deploy("broken", "#!/bin/sh\necho no database >&2; exit 3\n", on: machine)
        #expect(throws: DidNotHappen.self) { try machine.systemctl("reload", Self.unit) }
        #expect(try machine.property("ActiveState", of: Self.unit) == "active")
        let status = try machine.property("StatusText", of: Self.unit)
        #expect(status == "Reload to generation 2 failed; 2 workers serve generation 1")
        let journal = try machine.journal("-u", Self.unit)
        #expect(journal.contains("reloaderd: reload failed after "))
        #expect(journal.contains("  | no database"))
        try deploy("good", Self.httpWorker, on: machine)
        try machine.systemctl("reload", Self.unit)
        #expect(try machine.property("StatusText", of: Self.unit) == "2 workers serve generation 3")
    }

    // MARK: Type=notify-reload

    @Test(
        .disabled(
            if: notifyReload.version < 253,
            """
            systemd \(notifyReload.version) is here, and notify-reload came with 253: Tests/run brings a newer one if \
            it can
            """
        ))
    func reloadWaitsForTheEndOfTheRoll() throws {
        let machine = try machine(
            units: [
                "reloaderd@.service.d/notify-reload.conf": try Self.packaged("reloaderd@.service.d/notify-reload.conf")
            ], systemd: Self.notifyReload.folder)
        try machine.systemctl("start", Self.unit)
        for generation in 2...3 {
            try machine.systemctl("reload", Self.unit)
            #expect(try machine.property("StatusText", of: Self.unit) == "2 workers serve generation \(generation)")
        }
        try deploy("broken", "#!/bin/sh\nexit 3\n", on: machine)
        try machine.systemctl("reload", Self.unit)
        let status = try machine.property("StatusText", of: Self.unit)
        #expect(status == "Reload to generation 4 failed; 2 workers serve generation 3")
    }

    /// The systemd for it: the real machine's if that is new enough, else the one that Tests/run has unpacked.
    static let notifyReload: (version: Int, folder: String?) = {
        let own = version(of: "/lib/systemd/systemd", [])
        let folder = "\(Products.package)/.build/systemd"
        guard own < 253, FileManager.default.fileExists(atPath: folder) else { return (own, nil) }
        let libraries = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/usr/lib")) ?? []
        let paths = libraries.map { "\(folder)/usr/lib/\($0)/systemd" }.joined(separator: ":")
        return (version(of: "\(folder)/lib/systemd/systemd", ["LD_LIBRARY_PATH=\(paths)"]), folder)
    }()

    private static func version(of systemd: String, _ environment: [String]) -> Int {
        let run = try? CommandRun.run([systemd, "--version"], environment: environment)
        return run?.output.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    // MARK: time-outs

    /// What drop-ins change: time-outs that are shorter than what the workers need.
    private static let impatient = [
        "reloaderd@web.service.d/times.conf": "[Service]\nTimeoutStartSec=2\nTimeoutStopSec=2\n"
    ]

    /// Its workers take three seconds to be ready, and three to finish.
    private static let slowWorker = """
        #!/bin/sh
        trap 'sleep 3; exit 0' TERM
        sleep 3
        echo READY=1 >&$READY_FD
        while :; do sleep 1; done
        """

    /// systemd is told how long each may take by the pool's own limits.
    @Test func startsReloadsAndStopsMayTakeLongerThanTheTimeouts() throws {
        let machine = try machine(
            options: "workers 2\nsurge 1\nready message\nready-timeout 20s\nstop-timeout 20s\nno-share\n",
            run: Self.slowWorker, units: Self.impatient)
        try machine.systemctl("start", Self.unit)
        #expect(try machine.property("StatusText", of: Self.unit) == "2 workers serve generation 1")
        // One after the other: six seconds.
        try machine.systemctl("reload", Self.unit)
        #expect(try machine.property("StatusText", of: Self.unit) == "2 workers serve generation 2")
        try machine.systemctl("stop", Self.unit)
        #expect(try machine.property("Result", of: Self.unit) == "success")
        #expect(try machine.property("ExecMainStatus", of: Self.unit) == "0")
        #expect(try machine.property("NRestarts", of: Self.unit) == "0")
    }

    /// A start that can't succeed is not prolonged for ever.
    @Test func aStartThatFailsEndsByTheTimeout() throws {
        let machine = try machine(
            options: "workers 1\nready message\nready-timeout 1s\nno-share\n", run: "#!/bin/sh\nexit 3\n",
            units: ["reloaderd@web.service.d/times.conf": "[Service]\nTimeoutStartSec=2\nRestart=no\n"])
        #expect(try machine.run("systemctl", "start", Self.unit).status != 0)
        #expect(try machine.property("Result", of: Self.unit) == "timeout")
    }

    // MARK: restarts

    /// Connections that come while no daemon is running wait, and are answered by the next one; also after systemd
    /// itself was executed again.
    @Test(
        .disabled(
            if: notifyReload.version < 254,
            """
            systemd \(notifyReload.version) is here, and offers its descriptor store from 254 on: Tests/run brings a \
            newer one if it can
            """
        ))
    func aRestartRefusesNothing() throws {
        let machine = try machine(systemd: Self.notifyReload.folder)
        let log = try SystemdLog(of: Self.unit, on: machine)
        try machine.systemctl("start", Self.unit)
        try log.next("pool_ready")
        let client = try load(machine)
        for round in 0..<3 {
            if round == 1 { try machine.systemctl("daemon-reexec") }
            let before = try machine.property("MainPID", of: Self.unit)
            try machine.systemctl("restart", Self.unit)
            try log.next("pool_ready")
            #expect(try machine.property("MainPID", of: Self.unit) != before)
            #expect(try machine.property("NFileDescriptorStore", of: Self.unit) == "1")
        }
        let report = try report(of: client)
        #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
        #expect(Set(report.workers.map(\.pid)).count >= 6, "\(report.workers)")
        // Another port: the old one is let go, and others may have it.
        try machine.folder.write("etc/web.conf", "log-format json\nlisten 127.0.0.1:8081\nworkers 2\nuser nobody\n")
        try machine.systemctl("restart", Self.unit)
        try log.next("pool_ready")
        #expect(try machine.property("NFileDescriptorStore", of: Self.unit) == "1")
        #expect(try machine.run("ss", "-ltnH", "sport = :8080").output == "")
        try machine.systemctl("stop", Self.unit)
        #expect(try machine.run("ss", "-ltnH", "sport = :8081").output == "")
    }

    /// systemd goes on where it was: the same main process, which it still watches and reloads.
    @Test func systemdExecutedAgainKeepsTheDaemon() throws {
        let machine = try machine()
        let log = try SystemdLog(of: Self.unit, on: machine)
        try machine.systemctl("start", Self.unit)
        try log.next("pool_ready")
        let client = try load(machine)
        let main = try machine.property("MainPID", of: Self.unit)
        try machine.systemctl("daemon-reexec")
        #expect(try machine.property("MainPID", of: Self.unit) == main)
        try machine.systemctl("reload", Self.unit)
        #expect(try machine.property("StatusText", of: Self.unit) == "2 workers serve generation 2")
        let report = try report(of: client)
        #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
        #expect(try machine.property("NRestarts", of: Self.unit) == "0")
    }

    // MARK: confinement that the unit leaves to its users

    /// The chapters of docs/systemd.md that have a drop-in; options beside it; the user of the workers, if it is known.
    private static let confinements: [(chapter: String, options: String, uid: String?)] = [
        ("A read-only system", "user nobody\n", "65534"), ("A user of the unit's own", "", nil),
        ("A user namespace", "", "65534"),
    ]

    /// The drop-in of this chapter.
    private static func dropIn(_ chapter: String) throws -> String {
        let page = try String(contentsOfFile: "\(Products.package)/docs/systemd.md", encoding: .utf8)
        let lines = page.split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex(of: "## \(chapter)")) + 1
        let text = lines[start...].prefix { !$0.hasPrefix("## ") }.filter { $0.hasPrefix("    ") }
        try #require(text.first == "    [Service]")
        return text.map { $0.dropFirst(4) + "\n" }.joined()
    }

    @Test(arguments: confinements.indices)
    func workersSharePortsWithin(_ index: Int) throws {
        let (chapter, options, uid) = Self.confinements[index]
        let machine = try machine(
            options: "workers 2\n\(options)", user: nil,
            run: "#!/bin/sh\nexec python3 -m http.server --bind 127.0.0.1 8080\n",
            units: ["reloaderd@web.service.d/confined.conf": try Self.dropIn(chapter)])
        let log = try SystemdLog(of: Self.unit, on: machine)
        try machine.systemctl("start", Self.unit)
        let pid = try #require(try log.next("worker_ready").pid)
        if let uid { #expect(try machine.run("stat", "-c", "%u", "/proc/\(pid)").output == "\(uid)\n") }
        try log.next("pool_ready")
        let client = try load(machine, "--connections", "2")
        for _ in 0..<2 { try machine.systemctl("reload", Self.unit) }
        let report = try report(of: client)
        #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
        #expect(log.log.filter { $0.level != "info" }.map(\.text) == [])
        try machine.systemctl("stop", Self.unit)
        #expect(try machine.property("Result", of: Self.unit) == "success")
    }

    /// The user namespace of PrivateUsers= lets nobody change groups: the unit must name the user.
    @Test func privateUsersAllowNoChangeOfUser() throws {
        let machine = try machine(
            options: "workers 2\n", units: ["reloaderd@web.service.d/users.conf": "[Service]\nPrivateUsers=yes\n"])
        #expect(try machine.run("systemctl", "start", Self.unit).status != 0)
        #expect(try machine.property("ExecMainStatus", of: Self.unit) == "126")
        let journal = try machine.journal("-u", Self.unit)
        #expect(journal.contains("cannot start worker: ./run: dropping groups: Operation not permitted"), "\(journal)")
    }

    // MARK: the client

    /// A strict client inside that has had its first answer.
    private func load(_ machine: SystemdMachine, port: Int = 8080, _ options: String...) throws -> ChildProcess {
        let client = try machine.start(
            [SystemdMachine.inside(Products.strictClient), "--address", "127.0.0.1:\(port)", "--connections", "8"]
                + ["--timeout-ms", "30000", "--until-eof", "--json"] + options)
        guard try client.output.next() == "started" else {
            throw DidNotHappen(description: "the client gets no answer: \(try client.errors.rest())")
        }
        return client
    }

    private func report(of client: ChildProcess) throws -> ClientReport {
        client.closeInput()
        let report = try client.clientReport()
        try client.wait()
        return report
    }
}

/// The daemon's log as journald has it, followed.
private final class SystemdLog {
    /// A pool that fails for ever says something for ever: a test that waits for something else has seen enough.
    private static let linesMax = 1000

    private let process: ChildProcess
    private(set) var log: [LogLine] = []
    private(set) var otherLines: [String] = []

    init(of unit: String, on machine: SystemdMachine) throws {
        process = try machine.start(["journalctl", "-u", unit, "-o", "cat", "-n", "all", "-f"])
    }

    @discardableResult
    func next(_ event: String, where fits: (LogLine) -> Bool = { _ in true }) throws -> LogLine {
        while true {
            let line = try nextLine(waitingFor: event)
            guard let record = LogLine(line) else {
                otherLines.append(line)
                continue
            }
            log.append(record)
            if record.event == event && fits(record) { return record }
        }
    }

    /// A line that is not the daemon's, whether it has been read already or not.
    func nextOther(containing text: String) throws -> String {
        while true {
            if let line = otherLines.first(where: { $0.contains(text) }) { return line }
            let line = try nextLine(waitingFor: text)
            if let record = LogLine(line) { log.append(record) } else { otherLines.append(line) }
        }
    }

    private func nextLine(waitingFor what: String) throws -> String {
        if log.count + otherLines.count < Self.linesMax, let line = try? process.output.next() { return line }
        let story = (log.map(\.text) + ["other lines:"] + otherLines).joined(separator: "\n")
        throw DidNotHappen(description: "no \(what) in the journal:\n\(story)")
    }
}
