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

    /// The source of one of them, for users who can't reach it where it is.
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
