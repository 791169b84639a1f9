// Servers that bind a port of their own and know nothing of reloaderd, nor drain: Programs/. Each answers who it is.
import Foundation
import Testing

struct SharedProgram: Sendable, CustomTestStringConvertible {
    let name: String
    /// The command line for a port of 127.0.0.1; the folder is for files of its own.
    private let words: @Sendable (_ port: Int, _ folder: TestFolder) throws -> [String]

    init(name: String, words: @escaping @Sendable (_ port: Int, _ folder: TestFolder) throws -> [String]) {
        self.name = name
        self.words = words
    }

    var testDescription: String { name }

    func words(_ port: Int, in folder: TestFolder) throws -> [String] { try words(port, folder) }

    /// The source of one of them, for a user who can't reach it in its folder.
    static func text(of name: String) throws -> String {
        try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
    }

    static let folder = "\(Products.tests)/Programs"

    static let node = SharedProgram(name: "node") { port, _ in ["node", "\(folder)/app.js", "\(port)"] }
    /// `python3 -m http.server`, a connection a request.
    static let files = SharedProgram(name: "http.server") { port, own in ["\(folder)/files.sh", own.path, "\(port)"] }
    static let threaded = SharedProgram(name: "threaded Python") { port, _ in
        [Apps.python, "\(folder)/threaded.py", "\(port)"]
    }
    static let go = SharedProgram(name: "Go") { port, _ in [try BuiltPrograms.go(), "\(port)"] }
    static let webrick = SharedProgram(name: "WEBrick") { port, _ in ["ruby", "\(folder)/webrick.rb", "\(port)"] }
    /// With more threads than connections: with fewer, it loses requests that were sent ahead, without any reload.
    static let puma = SharedProgram(name: "Puma") { port, _ in
        ["puma", "--silent", "--threads", "0:16", "-b", "tcp://127.0.0.1:\(port)", "\(folder)/config.ru"]
    }
    static let nginx = SharedProgram(name: "nginx") { port, own in ["\(folder)/nginx.sh", own.path, "\(port)"] }
    /// Its two worker processes have a socket each.
    static let nginxReuseport = SharedProgram(name: "nginx reuseport") { port, own in
        ["\(folder)/nginx.sh", own.path, "\(port)", "reuseport"]
    }
    static let gunicorn = SharedProgram(name: "gunicorn") { port, _ in
        [
            "gunicorn", "--workers", "2", "--bind", "127.0.0.1:\(port)", "--chdir", folder, "--log-level", "error",
            "wsgi:app",
        ]
    }
    static let gunicornThreads = SharedProgram(name: "gunicorn --threads") { port, _ in
        [
            "gunicorn", "--threads", "8", "--bind", "127.0.0.1:\(port)", "--chdir", folder, "--log-level", "error",
            "wsgi:app",
        ]
    }
    static let uvicorn = SharedProgram(name: "uvicorn") { port, _ in
        [Apps.python, "-m", "uvicorn", "--app-dir", folder, "--port", "\(port)", "--log-level", "error", "asgi:app"]
    }
    /// Since 0.15 the process that was started binds, and a child of it listens; before, only with several workers.
    static let hypercorn = SharedProgram(name: "hypercorn") { port, _ in
        ["hypercorn", "--bind", "127.0.0.1:\(port)", "--log-level", "error", "\(folder)/asgi.py:app"]
    }
    static let aiohttp = SharedProgram(name: "aiohttp") { port, _ in [Apps.python, "\(folder)/aio.py", "\(port)"] }
    /// HTTP/2 in the clear.
    static let h2c = SharedProgram(name: "node http2") { port, _ in ["node", "\(folder)/app.js", "\(port)", "h2c"] }
    static let grpc = SharedProgram(name: "gRPC") { port, _ in [Apps.python, "\(folder)/rpc.py", "serve", "\(port)"] }
    static let epollFirst = SharedProgram(name: "epoll before bind") { port, _ in
        [try BuiltPrograms.c("epoll-first"), "\(port)"]
    }
    static let threads = SharedProgram(name: "accept in 8 threads") { port, _ in
        [try BuiltPrograms.c("threads"), "\(port)"]
    }

    static let all = [
        node, files, threaded, go, webrick, puma, nginx, nginxReuseport, gunicorn, uvicorn, epollFirst, threads,
    ]
    /// Those that start quickly.
    static let quick = [node, threaded, go, nginx, epollFirst, threads]
}

/// Servers that are not the process that was started, but its children: wrappers, reloaders, masters with workers.
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

    /// The last two if the machine has them: no package of Debian's has granian, and npm comes with node only from
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
