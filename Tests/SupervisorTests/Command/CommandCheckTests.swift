import Glibc
import Testing

@testable import Supervisor
@testable import reloaderd

/// --check, by the real binary: everything that is wrong at once, or OK; nothing started, no port opened.
@Suite struct CommandCheckTests {
    @Test func saysEverythingThatIsWrong() throws {
        let folder = try TestFolder()
        let config = try folder.write("a.conf", "workers 0\nlisten x\npin\nfoo\n")
        let variables = try folder.write("vars", "A=1\nB")
        let run = try CommandRun.reloaderd([
            "--check", "--config", config, "--user", "nosuchuser", "--soak", "5", "--env-file", variables, "--env-file",
            "/nonexistent/vars", "--pid-file", "/nonexistent/pid", "--chdir", "/nonexistent/dir", "./app",
        ])
        #expect(run.status == 64)
        #expect(run.output.isEmpty)
        let expected = [
            "--user: there is no user 'nosuchuser' in /etc/passwd", "--soak: '5' has no unit",
            "\(config):4: unknown option 'foo'",
            "\(config):1: workers: '0' is not", "\(config):2: listen: 'x' is not",
            "--env-file: \(variables):2: 'B' has no '='", "--env-file: cannot read /nonexistent/vars: No such file",
            "cannot use the working directory /nonexistent/dir: No such file or directory",
            "--pid-file: cannot write into /nonexistent: No such file or directory",
        ]
        #expect(run.errorLines.count == expected.count, "\(run.errors)")
        for (line, start) in zip(run.errorLines, expected) { #expect(line.hasPrefix("reloaderd: \(start)"), "\(line)") }
    }

    @Test func findsTheProgramWhereWorkersWould() throws {
        let folder = try TestFolder()
        let program = try folder.write("bin/app", "#!/bin/sh\necho started > \(folder.path)/started\n")
        let check = { (words: [String]) in try CommandRun.reloaderd(["--check"] + words) }

        #expect(try check([program]).errors.contains("Permission denied"))
        try #require(chmod(program, 0o755) == 0)
        #expect(try check([program]).status == 0)
        #expect(try check(["--chdir", folder.path, "bin/app"]).status == 0)
        #expect(try check(["--chdir", folder.path, "./app"]).errors.contains("cannot start ./app: No such file"))
        #expect(try check(["app"]).errors.contains("no such program in PATH (/usr/bin:/bin)"))
        #expect(try check(["--env", "PATH=\(folder.path)/bin", "app"]).status == 0)
        let variables = try folder.write("vars", "PATH=\(folder.path)/bin")
        #expect(try check(["--env-file", variables, "app"]).status == 0)
        #expect(try check([folder.path]).errors.contains("Permission denied"))
        #expect(try check(["/bin/true\nx"]).errorLines.count == 1)
        #expect(!folder.contains("started"))
    }

    @Test func saysOKInOneLine() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let words = [
            "--check", "--listen", "\(port)", "--listen", "a=unix:\(folder.path)/a.sock", "--pid-file",
            "\(folder.path)/pid", "-w3",
            "/bin/true",
        ]
        // Twice: a check leaves nothing behind that another would trip over.
        for _ in 1...2 {
            let run = try CommandRun.reloaderd(words)
            #expect(run.status == 0)
            #expect(run.errors.isEmpty)
            #expect(
                run.output == "reloaderd: OK: /bin/true: workers 3, listeners \(port), unix:\(folder.path)/a.sock\n")
        }
        #expect(!folder.contains("a.sock"))
        #expect(!folder.contains("pid"))
    }

    /// A check finds what a start could not open, and makes nothing that is not there yet.
    @Test func looksAtTheOutputsFile() throws {
        let folder = try TestFolder()
        func check(_ path: String) throws -> CommandRun {
            try CommandRun.reloaderd(["--check", "--output", "file:\(path)", "/bin/true"])
        }
        #expect(try check("\(folder.path)/new").status == 0)
        #expect(!folder.contains("new"))
        #expect(try check(try folder.write("there", "")).status == 0)
        #expect(try check(folder.path).errors == "reloaderd: --output: \(folder.path) is a directory\n")
        #expect(
            try check("/nonexistent/log").errors
                == "reloaderd: --output: cannot write into /nonexistent: No such file or directory\n")
    }

    @Test func refusesAPidFileThatIsAFolder() throws {
        let folder = try TestFolder()
        let run = try CommandRun.reloaderd(["--check", "--pid-file", folder.path, "/bin/true"])
        #expect(
            run.errors == "reloaderd: --pid-file: cannot use \(folder.path): it is a directory, not a regular file\n")
    }

    /// Only a process that becomes the user can find out what that user may execute.
    @Test(.enabled(if: geteuid() == 0)) func asksForTheUser() throws {
        let folder = try TestFolder()
        let program = try folder.writeProgram("app", "#!/bin/sh\n")
        chmod(folder.path, 0o755)
        func check(_ user: String) throws -> CommandRun {
            try CommandRun.reloaderd(["--check", "--user", user, program])
        }
        #expect(try check("nobody").status == 0)
        chmod(program, 0o700)
        let refused = try check("nobody")
        #expect(refused.status == 64)
        #expect(refused.errors == "reloaderd: --user: user 65534 may not execute \(program): Permission denied\n")
        #expect(try check("root").status == 0)
        chmod(program, 0o755)
        chmod(folder.path, 0o700)
        #expect(try check("nobody").errors.contains("may not execute"))
    }

    @Test func looksForTheScript() throws {
        let folder = try TestFolder()
        try folder.write("app.py", "")
        func check(_ words: [String]) throws -> CommandRun {
            try CommandRun.reloaderd(["--check", "--chdir", folder.path, Apps.python] + words)
        }
        for words in [["app.py"], ["-u", "app.py"], ["-c", "pass", "none.py"], ["-m", "none"], [], ["-"]] {
            #expect(try check(words).status == 0, "\(words)")
        }
        for words in [["none.py"], ["none"], ["-u", "none.py"], ["/nonexistent/app.py"]] {
            let run = try check(words)
            #expect(run.status == 64, "\(words)")
            #expect(run.errors.hasPrefix("reloaderd: cannot find ") && run.errors.contains("No such file"), "\(run)")
        }
        // What another program's words mean is its own business.
        #expect(try CommandRun.reloaderd(["--check", "/bin/echo", "none.py"]).status == 0)
    }

    @Test func refusesARelativeUnixSocket() throws {
        let run = try CommandRun.reloaderd(["--check", "--listen", "unix:app.sock", "/bin/true"])
        #expect(run.status == 64)
        #expect(run.errors.hasPrefix("reloaderd: --listen unix:app.sock: a relative path"))
        #expect(try CommandRun.reloaderd(["--check", "--listen", "unix:@app", "/bin/true"]).status == 0)
    }
}
