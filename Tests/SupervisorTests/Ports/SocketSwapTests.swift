// Sockets in a directory that another user may write: whatever that user puts in their place, no file of root's gets
// other permissions or another group.
import Foundation
import Testing

@Suite(.enabled(if: Launcher.isRoot, "it takes root to lose something")) struct SocketSwapTests {
    /// Between the first bind(2) and whatever comes next, another user has all the time it needs: in the directory
    /// SWAP_IN it replaces each entry by a link to SWAP_FOR, as nobody.
    private static let neighbour = """
        #define _GNU_SOURCE
        #include <dirent.h>
        #include <dlfcn.h>
        #include <stdlib.h>
        #include <sys/socket.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int bind(int socket, const struct sockaddr *address, socklen_t length) {
            int result = ((int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind"))(
                socket, address, length);
            static int visits;
            if (address->sa_family != AF_UNIX || result != 0 || visits++) return result;
            pid_t child = fork();
            if (child == 0) {
                struct dirent *entry;
                if (setgid(65534) || setuid(65534) || chdir(getenv("SWAP_IN"))) _exit(1);
                DIR *folder = opendir(".");
                while (folder && (entry = readdir(folder))) {
                    if (entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.')) continue;
                    if (unlink(entry->d_name) && rmdir(entry->d_name)) continue;
                    symlink(getenv("SWAP_FOR"), entry->d_name);
                }
                _exit(0);
            }
            waitpid(child, 0, 0);
            return result;
        }
        """

    private let folder: TestFolder
    private let library: String
    private var shared: String { "\(folder.path)/shared" }
    private var target: String { "\(folder.path)/target" }

    init() throws {
        folder = try TestFolder()
        chmod(folder.path, 0o755)
        try folder.write("target", "precious\n")
        chmod("\(folder.path)/target", 0o600)
        mkdir("\(folder.path)/shared", 0o777)
        chmod("\(folder.path)/shared", 0o777)
        library = "\(folder.path)/neighbour.so"
        let source = try folder.write("neighbour.c", Self.neighbour)
        let build = try CommandRun.run(
            ["env", "gcc", "-shared", "-fPIC", "-o", library, source], environment: ChildProcess.plainEnvironment)
        try #require(build.status == 0, "\(build.errors)")
    }

    private func start(_ options: [String], control: String) throws -> DaemonUnderTest {
        try DaemonUnderTest(
            ["-w", "1", "--env", "LD_PRELOAD"] + options + Apps.readyShell,
            environment: ChildProcess.plainEnvironment + [
                "LD_PRELOAD=\(library)", "SWAP_IN=\(shared)", "SWAP_FOR=\(target)",
            ], control: control)
    }

    private func targetIsUntouched() {
        var status = stat()
        #expect(stat(target, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o600, "\(String(status.st_mode, radix: 8))")
        #expect(status.st_uid == 0 && status.st_gid == 0)
        #expect(folder.text(of: "target") == "precious\n")
    }

    @Test func aListenersFileIsReplaced() throws {
        let daemon = try start(["--listen", "unix:\(shared)/web"], control: "none")
        try daemon.next("pool_ready")
        // The neighbour was there.
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "\(shared)/web") == target)
        try daemon.endsClean()
        targetIsUntouched()
        // It is none of ours.
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "\(shared)/web") == target)
    }

    @Test func aControlSocketIsMadeWhereNobodyElseGets() throws {
        let daemon = try start(["--no-share", "--control-group", "54321"], control: "\(shared)/control")
        try daemon.next("pool_ready")
        targetIsUntouched()
        var status = stat()
        #expect(lstat("\(shared)/control", &status) == 0 && status.st_mode == S_IFSOCK | 0o660)
        #expect(status.st_gid == 54321)
        // Beside it are the lock and the keeper's socket. They are the daemon's alone, or what the neighbour has put in
        // their place, which is not followed.
        for name in try FileManager.default.contentsOfDirectory(atPath: shared) where name != "control" {
            #expect(name == "control.lock" || name == "control.keeper")
            let isThere = lstat("\(shared)/\(name)", &status) == 0
            let isClosed = status.st_uid == Launcher.nobody || status.st_uid == 0 && status.st_mode & 0o177 == 0
            #expect(isThere && isClosed, "\(name) \(String(status.st_mode, radix: 8))")
        }
        try daemon.endsClean()
        targetIsUntouched()
    }

    /// What the neighbour has put there before the start is neither followed nor removed.
    @Test func aLinkThatIsThereEndsTheStart() throws {
        symlink(target, "\(shared)/web")
        let run = try CommandRun.reloaderd(
            ["--control", "none", "--listen", "unix:\(shared)/web", "/bin/true"])
        #expect(run.status == 1 && run.errors.contains("the file there is not a socket"), "\(run.errors)")
        targetIsUntouched()
    }

    /// A directory on the way that is the neighbour's link.
    @Test func aDirectoryThatIsTheirLinkEndsTheStart() throws {
        mkdir("\(folder.path)/own", 0o755)
        symlink("\(folder.path)/own", "\(shared)/way")
        lchown("\(shared)/way", Launcher.nobody, Launcher.nobody)
        let run = try CommandRun.reloaderd(
            ["--control", "none", "--listen", "unix:\(shared)/way/web", "/bin/true"])
        #expect(run.status == 1 && run.errors.contains("it is not followed"), "\(run.errors)")
    }

    @Test func permissionsDoNotDependOnTheUmask() throws {
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--listen", "unix:\(folder.path)/web", "--control-group", "54321"] + Apps.readyShell,
            under: ["/bin/sh", "-c", "umask 077; exec \"$@\"", "sh"], control: "\(folder.path)/control")
        try daemon.next("pool_ready")
        var status = stat()
        #expect(stat("\(folder.path)/web", &status) == 0 && status.st_mode & 0o7777 == 0o666)
        #expect(stat("\(folder.path)/control", &status) == 0 && status.st_mode & 0o7777 == 0o660)
        #expect(status.st_gid == 54321)
        try daemon.endsClean()
        #expect(!folder.contains("web") && !folder.contains("control"))
    }
}
