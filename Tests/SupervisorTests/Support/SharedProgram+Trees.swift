// Servers that are not the process that was started, but its children: wrappers, reloaders, masters with workers.
import Foundation

extension SharedProgram {
    /// A shell that does not exec the program, and has something to do after it.
    static let shell = SharedProgram(name: "sh -c") { port, _ in
        ["sh", "-c", "echo before >&2; node '\(folder)/app.js' \(port); echo after >&2"]
    }
    static let npm = SharedProgram(name: "npm start") { port, own in
        ["env", "npm_config_cache=\(own.path)", "npm", "--prefix", "\(folder)/npm", "start", "--", "\(port)"]
    }
    /// Builds, then starts what it has built.
    static let goRun = SharedProgram(name: "go run") { port, own in
        ["env", "GOTMPDIR=\(own.path)"] + BuiltPrograms.goEnvironment
            + ["go", "run", "\(folder)/go/server.go", "\(port)"]
    }
    static let autoreload = SharedProgram(name: "a reloader like Django's") { port, _ in
        [Apps.python, "\(folder)/autoreload.py", Apps.python, "\(folder)/threaded.py", "\(port)"]
    }
    static let uvicornReload = SharedProgram(name: "uvicorn --reload") { port, own in
        try uvicorn.words(port, in: own) + ["--reload", "--reload-dir", own.path]
    }
    static let uvicornWorkers = SharedProgram(name: "uvicorn --workers") { port, own in
        try uvicorn.words(port, in: own) + ["--workers", "2"]
    }
    static let gunicornReuseport = SharedProgram(name: "gunicorn --reuse-port") { port, own in
        try gunicorn.words(port, in: own) + ["--reuse-port"]
    }
    static let hypercornWorkers = SharedProgram(name: "hypercorn --workers") { port, own in
        try hypercorn.words(port, in: own) + ["--workers", "2"]
    }
    static let cluster = SharedProgram(name: "cluster, SCHED_NONE") { port, _ in
        ["node", "\(folder)/cluster.js", "\(port)"]
    }
    static let granian = SharedProgram(name: "granian") { port, _ in
        [
            "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "\(port)", "--log-level", "error",
            "--working-dir", folder, "asgi:app",
        ]
    }

    /// The last two where the machine has them: no package of Debian's has granian, and npm comes with node only from
    /// node's own makers. `sh -c` and hypercorn are of the same kinds. PATH=VENV/bin:$PATH adds what pip has installed.
    static let trees =
        [
            shell, goRun, autoreload, uvicornReload, uvicornWorkers, gunicornReuseport, hypercorn, hypercornWorkers,
            cluster,
        ] + (isOnPath("npm") ? [npm] : []) + (isOnPath("granian") ? [granian] : [])

    private static func isOnPath(_ command: String) -> Bool {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return path.split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(command)")
        }
    }
}
