// reloaderd in a container whose root directory has nothing but the image and an app: no shell, no /etc, no library
// that the image does not bring.
import Foundation
import Glibc
import Testing

@Suite(.disabled(if: Namespaces.problem != nil, "\(Namespaces.problem ?? "")"))
struct ContainerTests {
    /// A deploy by `kubectl exec ... reloaderd reload` under load, health, and the end by `docker stop`.
    private func deploys(_ container: Container, _ port: Int) throws {
        let daemon = container.daemon
        #expect(try daemon.next("started").pid == 1)
        try daemon.next("pool_ready")
        let client = try SteadyClient(port)
        let reload = try container.exec("reload")
        #expect(reload.status == 0 && reload.output.contains("generation 2 serves"), "\(reload.flat)")
        try client.waitForGeneration(2)
        let seen = client.finish()
        #expect(seen.failures.isEmpty && Set(seen.generations) == [1, 2], "\(seen)")

        let health = try container.exec("health", "--ready")
        #expect(health.status == 0 && health.output == "ready: 2 of 2 slots serve, the pool is running\n")
        let status = try container.exec("status")
        #expect(status.status == 0 && status.output.contains("pid 1 "), "\(status.flat)")
        kill(try container.hostPID(), SIGTERM)
        #expect(try daemon.end() == 0)
        #expect(daemon.log.allSatisfy { !["control_unavailable", "notify_unprotected"].contains($0.event) })
    }

    @Test func anImageWithNothingElseDeploysAsRoot() throws {
        let port = try Network.freePort()
        let container = try Container(["--workers", "2", "/app/run", "\(port)"])
        try deploys(container, port)
    }

    /// As packaging/kubernetes.yaml has it: no root, no capabilities, and nothing to write to but an emptyDir in /tmp.
    @Test func aReadOnlyImageDeploysWithoutRoot() throws {
        let port = try Network.freePort()
        let container = try Container(
            options: ["--read-only"], user: 10001, ["--workers", "2", "--chdir", "/app", "./run", "\(port)"])
        try deploys(container, port)
    }

    /// The workers matter more than the control socket.
    @Test func withoutAnyFolderToWriteToTheWorkersRun() throws {
        let port = try Network.freePort()
        let container = try Container(
            user: 10001, hasTemporaryFolder: false, ["--workers", "1", "/app/run", "\(port)"])
        try container.daemon.next("pool_ready")
        #expect(Network.get(port)?.hasPrefix("HTTP/1.1 200") ?? false)
        #expect(try container.exec("health").status == 1)
        kill(try container.hostPID(), SIGTERM)
        #expect(try container.daemon.end() == 0)
    }

    /// What the runtime sees of a wrong CMD.
    @Test(arguments: [("/app/nothing", Int32(127)), ("--wrokers=2", 64), ("/tmp", 126)])
    func theStatusSaysWhatIsWrong(word: String, status: Int32) throws {
        let container = try Container([word])
        #expect(try container.daemon.end() == status)
    }
}
