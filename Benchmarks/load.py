"""The promise on large counts: each example, 4 workers, a strict client with 16 connections that retries nothing, with
a connection a request and with keep-alive: 20 reloads, each begun when the one before is done; then 20 more, with one
worker killed (SIGKILL) between each two. In the second part only requests that a killed worker had accepted may
fail."""
import json, os, signal, socket, subprocess
from pool import Daemon, table

WORKERS, CONNECTIONS, RELOADS = 4, 16, 20
client = os.environ.get("BENCH_CLIENT", ".build/release/strict-client")
http_worker = os.environ.get("BENCH_HTTP_WORKER", ".build/release/http-worker")
EXAMPLES = {
    "Swift": [http_worker], "Python": ["python3", "Examples/python/worker.py"],
    "Node": ["node", "Examples/node/worker.js"]}
KINDS = ["refused", "reset", "earlyEnd", "timedOut", "non2xx", "malformed", "clientErrors", "idleClosed"]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s: return s.getsockname()[1]


class Pool:
    """A daemon, and who serves its slots."""

    def __init__(self, program):
        self.port = free_port()
        self.daemon = Daemon("--listen", f"127.0.0.1:{self.port}", "--workers", WORKERS, *program)
        self.pids = {}
        self.until("pool_ready")

    def until(self, *events, pid=None):
        while True:
            line = self.daemon.process.stderr.readline()
            if not line: raise SystemExit("the daemon has ended")
            record = json.loads(line) if line.startswith("{") else {}
            if record.get("event") == "worker_ready": self.pids[record["slot"]] = record["pid"]
            if record.get("event") in events and pid in (None, record.get("pid")): return record

    def reload(self):
        self.daemon.process.send_signal(signal.SIGHUP)
        return self.until("reload_done", "reload_failed")["event"] == "reload_done"

    def kill_one(self, slot):
        victim = self.pids[slot]
        os.kill(victim, signal.SIGKILL)
        self.until("worker_exited", pid=victim)
        while self.pids[slot] == victim: self.until("worker_ready")


def measure(program, keep_alive, kills):
    pool = Pool(program)
    load = subprocess.Popen(
        [client, "--address", f"127.0.0.1:{pool.port}", "--connections", str(CONNECTIONS), "--duration-ms", "600000",
         "--until-eof", "--json", *["--keep-alive"] * keep_alive],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    load.stdout.readline()  # it has begun
    done = 0
    for number in range(RELOADS):
        if kills: pool.kill_one(number % WORKERS)
        done += pool.reload()
    report = json.loads(load.communicate()[0].splitlines()[-1])
    pool.daemon.stop()
    return done, report


rows = []
for kills in (False, True):
    for name, program in EXAMPLES.items():
        for keep_alive in (False, True):
            done, report = measure(program, keep_alive, kills)
            failures = ", ".join(f"{report[k]} {k}" for k in KINDS if report[k]) or "0"
            rows.append([
                name, "keep-alive" if keep_alive else "one a request", done, RELOADS * kills, report["ok"], failures,
                report["latencyMicroseconds"]["p99"] // 1000])
table(["example", "connections", "reloads", "kills", "answered", "failed", "p99 ms"], rows)
