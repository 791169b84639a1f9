"""What a reload cuts that is in the middle, and how long the old workers live. Parts: matrix own signal multiplexed
trees ends; all by default, or those that BENCH_DRAINS names. BENCH_RELOADS=3 reloads a row, BENCH_AT_ONCE=8 rows at the
same time (they wait most of the time); BENCH_SERVERS=node,Puma and BENCH_SHAPES=think-100,pipelined leave the other
rows out.

The strict clients are the tests' own: Programs/shapes.py says what the shapes are, what counts as cut, and what is the
race that every server has which closes idle connections. Old workers' lives are from the moment when their replacement
serves."""
import collections, concurrent.futures, functools, itertools, json, os, queue, signal, socket, subprocess, sys, tempfile
import threading, time
from pool import folder, median, reloaderd, surroundings, table

WORKERS = 4
RELOADS, AT_ONCE = int(os.environ.get("BENCH_RELOADS", 3)), int(os.environ.get("BENCH_AT_ONCE", 8))
ONLY = [set(filter(None, os.environ.get(name, "").split(","))) for name in ("BENCH_SERVERS", "BENCH_SHAPES")]
LIMIT = 70  # s, for anything: the drain's time-out, the stop's, and some
programs, own = os.path.abspath("Tests/SupervisorTests/Programs"), tempfile.TemporaryDirectory()
app, virtual = f"{programs}/app.js", os.path.abspath(f"{folder}/venv/bin")
go = os.path.abspath(f"{folder}/go-server")
SHAPES = {
    "first-500": 8, "first-1300": 8, "first-4000": 8, "back-to-back": 8, "think-100": 16, "upload-1300": 8,
    "upload-2500": 8, "stream-150": 8, "stream-700": 8, "stream-2500": 8, "pipelined": 4}


@functools.cache
def python(module):
    """The system's, if a package of it has the module, else that of the benchmarks."""
    system = "/usr/bin/python3"
    has_it = subprocess.run([system, "-c", f"import {module}"], stderr=subprocess.DEVNULL).returncode == 0
    return system if has_it else f"{virtual}/python"


def address(port): return f"127.0.0.1:{port}"


SYSTEM = python("json")
SERVERS = {
    "node": lambda p: ["node", app, p],
    "Go": lambda p: [go, p],
    "uvicorn": lambda p: [
        python("uvicorn"), "-m", "uvicorn", "--app-dir", programs, "--port", p, "--log-level", "error", "asgi:app"],
    "aiohttp": lambda p: [python("aiohttp"), f"{programs}/aio.py", p],
    "gunicorn --threads": lambda p: [
        python("gunicorn"), "-m", "gunicorn", "--threads", 16, "-b", address(p), "--chdir", programs,
        "--log-level", "error", "wsgi:app"],
    "Puma": lambda p: ["puma", "--silent", "-t", "0:16", "-b", f"tcp://{address(p)}", f"{programs}/config.ru"],
    "threaded Python": lambda p: [SYSTEM, f"{programs}/threaded.py", p],
    # In one process; those that start more are among the trees.
    "hypercorn": lambda p: [
        python("hypercorn"), "-m", "hypercorn", *["--workers", "0"] * (python("hypercorn") != SYSTEM), "-b", address(p),
        "--log-level", "error", f"{programs}/asgi.py:app"],
}
# Under load a proxy's connections never rest, unless it ends them itself before the drain's time is over.
PROXIED = {"nginx before node": "1h", "nginx keepalive_time 10s": "10s"}
# gunicorn forgets requests that were sent ahead, with or without reloads.
NOT_SPOKEN = {("gunicorn --threads", "pipelined")}


class Missing(Exception):
    """Something that must happen does not; args: what."""


class Process:
    """A child whose lines of JSON, or of text, are taken as they come, with the time."""

    def __init__(self, words, reads, **environment):
        pipe, none = subprocess.PIPE, subprocess.DEVNULL
        self.process = subprocess.Popen(
            list(map(str, words)), stdin=pipe, text=True, stdout=pipe if reads == "stdout" else none,
            stderr=pipe if reads == "stderr" else none, env={**surroundings, "HOME": own.name, **environment})
        self.lines, self.all = queue.Queue(), []
        threading.Thread(target=self.read, args=(getattr(self.process, reads),), daemon=True).start()

    def read(self, pipe):
        for line in pipe: self.lines.put((time.monotonic(), line))
        self.lines.put((time.monotonic(), ""))

    def until(self, what, fits, seconds=LIMIT):
        """The next line that fits; ends the process if none comes."""
        end = time.monotonic() + seconds
        while True:
            try: when, line = self.lines.get(timeout=max(0.001, end - time.monotonic()))
            except queue.Empty: line = ""
            if not line:
                self.stop()
                raise Missing(f"no {what}")
            record = json.loads(line) if line.startswith("{") else {"text": line.rstrip()}
            self.all.append((when, record))
            if fits(record): return record

    def event(self, name, seconds=LIMIT): return self.until(name, lambda record: record.get("event") == name, seconds)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        try: self.process.wait(LIMIT)
        except subprocess.TimeoutExpired: self.process.kill()

    def times(self, event): return {r["pid"]: when for when, r in self.all if r.get("event") == event}


class Pool(Process):
    """reloaderd."""

    def __init__(self, words, *options, workers=WORKERS):
        options = ["--log-format", "json", "--control", "none", "--workers", workers, *options]
        super().__init__([reloaderd, *options, *words], "stderr")
        self.event("pool_ready", 20)

    def reload(self):
        """Returns how long the roll took, when its old workers are gone."""
        self.process.send_signal(signal.SIGHUP)
        took = self.event("reload_done")["took"]
        while set(self.times("worker_draining")) - set(self.times("worker_exited")): self.event("worker_exited")
        return took

    def lives(self):
        exits = self.times("worker_exited")
        return [exits[pid] - when for pid, when in self.times("worker_draining").items() if pid in exits]


class Peer(Process):
    """A server that reloads itself by SIGHUP; its old workers are those children that it had before."""

    def __init__(self, words, port):
        # Programs say which process they are; only reloaderd says of which generation.
        super().__init__(words, "stderr", RELOADERD_SLOT="0", RELOADERD_GENERATION="1")
        wait_until_served(port)
        time.sleep(2)  # until all of its workers are there
        self.lived = []

    def children(self):
        words = ["pgrep", "-P", str(self.process.pid)]
        return set(subprocess.run(words, capture_output=True, text=True).stdout.split())

    def reload(self):
        left, start = self.children(), time.monotonic()
        self.process.send_signal(signal.SIGHUP)
        while left and time.monotonic() < start + 40:
            time.sleep(0.05)
            still = left & self.children()
            self.lived += [time.monotonic() - start] * len(left - still)
            left = still
        time.sleep(2)  # one that ends its old workers first starts the new ones only now

    def lives(self): return self.lived


class Proxy(Process):
    """nginx in front of a port, with connections that it keeps."""

    def __init__(self, port, upstream, keepalive_time):
        super().__init__(
            [f"{programs}/nginx.sh", own.name, port], "stderr", UPSTREAM=str(upstream), KEEPALIVE_TIME=keepalive_time)
        wait_until_served(port)


class Load(Process):
    """One of the clients; goes on until it is asked for its report."""

    def __init__(self, words):
        super().__init__(words, "stdout")
        self.until("first answers", lambda record: record.get("text") == "started")

    def report(self):
        self.process.stdin.close()
        shapes = self.until("report of the client", lambda record: "shapes" in record)["shapes"]
        self.process.wait()
        return shapes


def shaped(port, *words): return Load([SYSTEM, f"{programs}/shapes.py", port, *words])


PORTS = itertools.count(21000)  # below those that clients get, which a row at the same time must not take


def free_port():
    for port in PORTS:
        try: socket.create_server(("127.0.0.1", port)).close()
        except OSError: continue
        return port


def wait_until_served(port):
    for _ in range(200):
        try: return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError: time.sleep(0.05)
    raise Missing("server")


def row(name, shape, start, load, reloads=RELOADS):
    """One row: reloads while the client goes on, each when the old workers of the one before are gone."""
    port, server, client = free_port(), None, None
    try:
        server = start(port)
        client = load(port)
        for _ in range(reloads): server.reload()
        reports = client.report().values()
    except Missing as missing: return [name, shape, "-", "-", missing.args[0], "-", "-", "-"]
    finally:
        for process in (client, server):
            if process and process.process.poll() is None: process.stop()
    cut = collections.Counter()
    for report in reports:
        cut.update(report["cut"])
        for detail in report["details"]: print(name, shape, detail, sep="  ", file=sys.stderr)
    requests, races, lives = sum(r["requests"] for r in reports), sum(r["races"] for r in reports), server.lives()
    kinds = [f"{kind}={count}" for kind, count in sorted(cut.items())]
    if timed_out := len(server.times("drain_timed_out")): kinds.append(f"timed_out_drains={timed_out}")
    lived = [f"{median(lives):.1f}", f"{max(lives):.1f}"] if lives else ["-", "-"]
    return [name, shape, requests, sum(cut.values()), " ".join(kinds) or "-", races, *lived]


HEAD = ["server", "shape", "requests", "cut", "which", "races", "old lived s", "longest"]


def run(title, cells):
    """Each cell: name, shape, what starts the server on a port, what starts the client."""
    print(title)
    cells = [c for c in cells if all(word in only or not only for word, only in zip(c, ONLY))]
    rows = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for number, done in enumerate(pool.map(lambda cell: row(*cell), cells)):
            rows.append(done)
            print(f"{number + 1}/{len(cells)}", *done, sep="  ", file=sys.stderr)
    table(HEAD, rows)
    counts = [r for r in rows if r[2] != "-"]
    sums = (f"{sum(r[i] for r in counts)} {HEAD[i]}" for i in (2, 3, 5))
    print(*sums, f"{len(rows) - len(counts)} rows without a result\n", sep=", ", flush=True)


def cell(name, shape, words, *options):
    return name, shape, lambda port: Pool(words(port), *options), lambda port: shaped(port, f"{shape}={SHAPES[shape]}")


def matrix():
    cells = [cell(n, s, words) for n, words in SERVERS.items() for s in SHAPES if (n, s) not in NOT_SPOKEN]
    fronts = []

    def behind(keepalive_time, port):
        """The pool has a port of its own; the client's is the proxy's."""
        upstream = free_port()
        pool = Pool(SERVERS["node"](upstream))
        fronts.append(Proxy(port, upstream, keepalive_time))
        return pool

    for name, keepalive_time in PROXIED.items():
        start = functools.partial(behind, keepalive_time)
        cells += [(name, s, start, lambda port, s=s: shaped(port, f"{s}={SHAPES[s]}", "--proxied")) for s in SHAPES]
    run(f"Reloads under awkward traffic: {WORKERS} workers, {RELOADS} reloads a row", cells)
    for front in fronts: front.stop()


def peers():
    """How the reloads of others do with the same traffic."""
    gunicorn = SERVERS["gunicorn --threads"]
    yield "Node's cluster", lambda p: ["node", "Benchmarks/sharing/cluster.js", WORKERS, app, p]
    yield "gunicorn's own HUP", lambda p: [*gunicorn(p), "--workers", WORKERS]
    yield "uvicorn's own HUP", lambda p: [
        f"{virtual}/python", "-m", "uvicorn", "--app-dir", programs, "--port", p, "--log-level", "error",
        "--workers", WORKERS, "asgi:app"]


SOME = ["first-4000", "back-to-back", "think-100", "upload-2500", "stream-2500", "pipelined"]


def own_reloads():
    cells = [
        (name, shape, lambda port, w=words: Peer(w(port), port), cell(name, shape, words)[3])
        for name, words in peers() for shape in SOME if not (shape == "pipelined" and "gunicorn" in name)]
    run(f"The own reloads of others: {WORKERS} workers, {RELOADS} reloads a row", cells)


def drains_itself():
    """Servers that drain themselves on SIGTERM."""
    for name in ("uvicorn", "aiohttp", "gunicorn --threads", "Puma", "hypercorn"): yield name, SERVERS[name]
    yield "Go with Shutdown", lambda p: [go, p, "shutdown"]


def with_signal():
    cells = [
        cell(f"{name} --drain {how}", shape, words, "--drain", how) for name, words in drains_itself()
        for how in ("outside", "signal") for shape in SOME if (name, shape) not in NOT_SPOKEN]
    run(f"Servers that drain themselves, with either --drain: {WORKERS} workers, {RELOADS} reloads a row", cells)


def multiplexed():
    rpc = [python("grpc"), f"{programs}/rpc.py"]
    h2c, asked = ["node", f"{programs}/h2c.js"], lambda port: Load([*rpc, "ask", port, 8])
    run(f"Many requests on one connection: {WORKERS} workers, {RELOADS} reloads a row", [
        ("h2c", "-", lambda port: Pool(["node", app, port, "h2c"]), lambda port: Load([*h2c, port, 8])),
        ("gRPC", "-", lambda port: Pool([*rpc, "serve", port]), asked),
        ("gRPC --drain signal", "-", lambda port: Pool([*rpc, "serve", port, "shutdown"], "--drain", "signal"), asked)])


GO_CACHE = os.path.expanduser("~/.cache/go-build")  # where Benchmarks/run has built the same


def wrapped():
    """Servers that are children of what is started."""
    hypercorn = [f"{virtual}/hypercorn", "--log-level", "error", f"{programs}/asgi.py:app"]
    uvicorn, gunicorn = SERVERS["uvicorn"], SERVERS["gunicorn --threads"]
    yield "sh -c", lambda p: ["sh", "-c", f"echo before >&2; node '{app}' {p}; echo after >&2"]
    yield "npm start", lambda p: [
        "env", f"npm_config_cache={own.name}", "npm", "--prefix", f"{programs}/npm", "start", "--", p]
    yield "go run", lambda p: [
        "env", "CGO_ENABLED=0", "GO111MODULE=off", f"GOTMPDIR={own.name}", f"GOCACHE={GO_CACHE}", "go", "run",
        f"{programs}/go/server.go", p]
    yield "a reloader like Django's", lambda p: [
        SYSTEM, f"{programs}/autoreload.py", SYSTEM, f"{programs}/threaded.py", p]
    yield "uvicorn --reload", lambda p: [*uvicorn(p), "--reload", "--reload-dir", own.name]
    yield "uvicorn --workers 2", lambda p: [*uvicorn(p), "--workers", 2]
    yield "gunicorn --workers 2 --reuse-port", lambda p: [*gunicorn(p), "--workers", 2, "--reuse-port"]
    yield "hypercorn", lambda p: [*hypercorn, "-b", address(p)]
    yield "hypercorn --workers 2", lambda p: [*hypercorn, "-b", address(p), "--workers", 2]
    yield "granian", lambda p: [
        f"{virtual}/granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", p, "--log-level", "error",
        "--working-dir", programs, "asgi:app"]
    yield "cluster SCHED_NONE", lambda p: ["node", f"{programs}/cluster.js", p]


def trees(reloads=20):
    run(f"Process trees as they are: 2 workers, {reloads} reloads a row", [
        (name, "first-0", lambda port, w=words: Pool(w(port), workers=2), lambda port: shaped(port, "first-0=8"),
         reloads)
        for name, words in wrapped()])


def ends(clients=8):
    print(f"The other end: {WORKERS} workers with {clients} idle keep-alive clients. "
          "Wanted: gone in 10 s, stopped in 2 s")
    rows = []
    for name, words in SERVERS.items():
        if ONLY[0] and name not in ONLY[0]: continue
        port = free_port()
        pool = Pool(words(port))
        load = shaped(port, f"idle={clients}")
        rolls = [pool.reload() for _ in range(RELOADS)]
        start = time.monotonic()
        pool.stop()
        stop = time.monotonic() - start
        load.stop()
        lives = pool.lives()
        rows.append([name, f"{median(rolls):.2f}", f"{median(lives):.1f}", f"{max(lives):.1f}", f"{stop:.1f}"])
        print(*rows[-1], sep="  ", file=sys.stderr)
    table(["server", "roll s", "old lived s", "longest", "stop s"], rows)


PARTS = {
    "matrix": matrix, "own": own_reloads, "signal": with_signal, "multiplexed": multiplexed, "trees": trees,
    "ends": ends}
for part in os.environ.get("BENCH_DRAINS", " ".join(PARTS)).split(): PARTS[part]()
