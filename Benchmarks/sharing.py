"""Ports shared by programs that know nothing of it. Parts: reloads kills balance speed calls; all by default, or those
that BENCH_SHARING names. BENCH_RELOADS=20 and BENCH_KILLS=100 set the counts. The strict client retries nothing; it has
the same CPUs as the servers, so rates are those of both together."""
import json, os, random, signal, socket, subprocess, sys, tempfile, time
from pool import folder, median, reloaderd, table

WORKERS, CONNECTIONS = 4, 16
RELOADS, KILLS = int(os.environ.get("BENCH_RELOADS", 20)), int(os.environ.get("BENCH_KILLS", 100))
client = os.environ.get("BENCH_CLIENT", ".build/release/strict-client")
programs, own = "Tests/SupervisorTests/Programs", tempfile.TemporaryDirectory()
app, cluster = f"{programs}/app.js", "Benchmarks/sharing/cluster.js"
PYTHON = "/usr/bin/python3"
KINDS = ["refused", "reset", "earlyEnd", "timedOut", "non2xx", "malformed", "clientErrors"]
MODES = {"a connection a request": [], "keep-alive, 100 ms pauses": ["--keep-alive", "--pause-ms", "100"]}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s: return s.getsockname()[1]


PROGRAMS = {
    "node http": lambda p: ["node", app, p],
    "python3 -m http.server": lambda p: [f"{programs}/files.sh", own.name, p],
    "Python, threads": lambda p: [PYTHON, f"{programs}/threaded.py", p],
    "Go net/http": lambda p: [f"{folder}/go-server", p],
    "WEBrick": lambda p: ["ruby", f"{programs}/webrick.rb", p],
    "Puma": lambda p: ["puma", "--silent", "-b", f"tcp://127.0.0.1:{p}", f"{programs}/config.ru"],
    "nginx": lambda p: [f"{programs}/nginx.sh", own.name, p],
    "gunicorn": lambda p: [
        "gunicorn", "-w", "2", "-b", f"127.0.0.1:{p}", "--chdir", programs, "--log-level", "error", "wsgi:app"],
    "uvicorn": lambda p: [
        PYTHON, "-m", "uvicorn", "--app-dir", programs, "--port", p, "--log-level", "error", "asgi:app"],
    "C, epoll before bind": lambda p: [f"{folder}/epoll-first", p],
    "C, accept in 8 threads": lambda p: [f"{folder}/threads", p],
}


class Server:
    """reloaderd, or node's cluster: says events as lines of JSON."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            list(map(str, words)), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            text=True)
        self.serving = {}

    def until(self, event):
        for line in self.process.stderr:
            record = json.loads(line) if line.startswith("{") else {}
            if record.get("event") == "worker_ready": self.serving[record["slot"]] = record["pid"]
            if record.get("event") == event: return record
        sys.exit(f"the server ended without {event}")

    def reload(self):
        self.process.send_signal(signal.SIGHUP)
        return self.until("reload_done")["generation"]

    def children(self):
        return int(subprocess.run(["pgrep", "-c", "-P", str(self.process.pid)], capture_output=True, text=True).stdout)

    def stop(self):
        """Yields the records that were not waited for."""
        self.process.send_signal(signal.SIGTERM)
        return [json.loads(l) for l in self.process.communicate()[1].splitlines() if l.startswith("{")]


class Load:
    """The strict client; goes on until it is asked for its report."""

    def __init__(self, port, *options):
        self.process = subprocess.Popen(
            [client, "--address", f"127.0.0.1:{port}", "--duration-ms", "3600000", "--until-eof", "--announce-workers",
             "--json", *map(str, options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # it has begun

    def until(self, generation):
        """Until that generation has answered."""
        for line in self.process.stdout:
            if f" generation={generation} " in line: return
        sys.exit(f"the client ended without an answer of generation {generation}")

    def report(self): return json.loads(self.process.communicate()[0].splitlines()[-1])


def unaware(words, *options, workers=WORKERS):
    server = Server(reloaderd, "--log-format", "json", "--workers", workers, *options, *words)
    server.until("pool_ready")
    return server


def clustered(port, workers=WORKERS):
    server = Server("node", cluster, workers, app, port)
    server.until("pool_ready")
    return server


def ran(server, port, options):
    """One row: reloads under load."""
    load = Load(port, "--connections", CONNECTIONS, *options)
    start = time.monotonic()
    for _ in range(RELOADS): load.until(server.reload())
    took, left = time.monotonic() - start, server.children() - WORKERS
    report = load.report()
    timed_out = sum(r.get("event") == "drain_timed_out" for r in server.stop())
    kinds = " ".join(f"{k}={report[k]}" for k in KINDS if report[k])
    return [
        RELOADS, report["requests"], report["failed"], kinds or "-", max(left, 0), timed_out, f"{took / RELOADS:.2f}"]


def reloads():
    print(f"Reloads under load: {WORKERS} workers, {CONNECTIONS} connections. "
          "left: old workers that are still there at the end")
    rows = []
    for mode, options in MODES.items():
        for name, words in PROGRAMS.items():
            port = free_port()
            rows.append([name, mode, *ran(unaware(words(port)), port, options)])
            print(*rows[-1], sep="  ", file=sys.stderr)
        port = free_port()
        rows.append(["node's cluster", mode, *ran(clustered(port), port, options)])
        port = free_port()
        server = unaware(["node", app, port], "--drain", "signal")
        rows.append(["node http, --drain signal", mode, *ran(server, port, options)])
    table(["program", "client", "reloads", "requests", "failed", "which", "left", "timed out", "s each"], rows)


def kills():
    print(f"A worker killed (SIGKILL) {KILLS} times under load, {WORKERS} workers, {CONNECTIONS} connections, "
          "a connection a request")
    rows = []
    for name in ["node http", "C, epoll before bind", "C, accept in 8 threads", "Go net/http", "Python, threads"]:
        port = free_port()
        server = unaware(PROGRAMS[name](port), "--backoff", "1ms", "--backoff-cap", "1ms")
        load = Load(port, "--connections", CONNECTIONS)
        for number in range(KILLS):
            slot = random.randrange(WORKERS)
            victim = server.serving[slot]
            os.kill(victim, signal.SIGKILL)
            while server.serving[slot] == victim: server.until("worker_ready")
        report = load.report()
        server.stop()
        kinds = " ".join(f"{k}={report[k]}" for k in KINDS if report[k])
        failed = report["failed"]
        rows.append([name, KILLS, report["requests"], failed, f"{failed / KILLS:.2f}", kinds or "-"])
    table(["program", "kills", "requests", "failed", "per kill", "which"], rows)


def balance():
    print(f"10,000 connections over {WORKERS} workers: share of each, in percent")
    rows, count = [], 10_000
    port = free_port()
    example = ["node", "Examples/node/worker.js"]
    for name, make in {
        "reloaderd, unaware app": lambda: unaware(["node", app, port]),
        "reloaderd, --listen (one listener)": lambda: unaware(example, "--listen", f"127.0.0.1:{port}"),
        "reloaderd, --listen --balance slot": lambda: unaware(
            example, "--listen", f"127.0.0.1:{port}", "--balance", "slot"),
        "node's cluster": lambda: clustered(port),
    }.items():
        server = make()
        for connections in (1, CONNECTIONS):
            done = subprocess.run(
                [client, "--address", f"127.0.0.1:{port}", "--connections", str(connections),
                 "--requests", str(count), "--json"],
                capture_output=True, text=True)
            report = json.loads(done.stdout.splitlines()[-1])
            shares = sorted(100 * w["requests"] / report["ok"] for w in report["workers"])
            shares = [0.0] * (WORKERS - len(shares)) + shares
            rows.append([name, connections, f"{shares[0]:.1f}", f"{shares[-1]:.1f}", report["failed"]])
        server.stop()
    table(["server", "at a time", "min %", "max %", "failed"], rows)


def speed(workers=2, rounds=31, seconds=0.5):
    print(f"The same app with {workers} workers, requests a second, {rounds} rounds of {seconds} s in turn, "
          "32 connections")
    ports = free_port(), free_port()
    servers = unaware(["node", app, ports[0]], workers=workers), clustered(ports[1], workers)
    rows = []
    for mode, options in {"a connection a request": [], "keep-alive": ["--keep-alive"]}.items():
        rates = [], []
        for number in range(rounds + 1):
            for which in random.sample((0, 1), 2):
                done = subprocess.run(
                    [client, "--address", f"127.0.0.1:{ports[which]}", "--connections", "32", "--duration-ms",
                     str(round(1000 * seconds)), "--json", *options], capture_output=True, text=True)
                report = json.loads(done.stdout.splitlines()[-1])
                if report["failed"]: print(f"  {report['failed']} failed", file=sys.stderr)
                # The first round warms up.
                if number: rates[which].append(report["ok"] / report["elapsedNanoseconds"] * 1e9)
        ratios = sorted(a / b for a, b in zip(*rates))
        rows.append(
            [mode, round(median(rates[0])), round(median(rates[1])),
             *[f"{ratio:.2f}" for ratio in (median(ratios), ratios[0], ratios[-1])]])
    for server in servers: server.stop()
    table(["client", "reloaderd", "cluster", "ratio", "least", "most"], rows)


def calls(rounds=9, runs=200):
    print(f"What a call costs a worker, ns: least of {rounds} × {runs} short runs in turn, without and with sharing")
    options = {"--no-share": ["--no-share"], "sharing": []}
    best = {name: {} for name in options}
    for _ in range(rounds):
        for name in random.sample(list(options), 2):
            server = Server(
                reloaderd, "--log-format", "json", "--workers", 1, "--ready", "message", *options[name],
                f"{folder}/calls", runs)
            record = server.until("calls")
            server.stop()
            for call, cost in record.items():
                if call != "event": best[name][call] = min(cost, best[name].get(call, cost))
    plain, shared = best.values()
    table(["call", *options, "ratio"], [[c, plain[c], shared[c], f"{shared[c] / plain[c]:.3f}"] for c in plain])


for part in os.environ.get("BENCH_SHARING", "reloads kills balance speed calls").split(): globals()[part]()
