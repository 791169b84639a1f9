"""Reloads under load, side by side with what people use today: the same strict client, the same number of workers, the
same pauses. A request that fails is counted by how it failed, and none is tried again.

gunicorn and uvicorn are taken from .build/benchmarks/venv, where Benchmarks/run installs them, and left out where they
are not."""
import json, os, signal, socket, subprocess, time
from pool import folder, reloaderd, table

WORKERS, CONNECTIONS, RELOADS = 4, 16, 10
SECONDS_BETWEEN = 1.5  # long enough for each of them to be done with one reload before the next
PAUSE_MS = 2  # between two requests of a connection: what is measured is not how much they can bear
client = os.environ.get("BENCH_CLIENT", ".build/release/strict-client")
python = f"{folder}/venv/bin"


def contenders(port):
    """Name, command."""
    address = f"127.0.0.1:{port}"
    ours = [reloaderd, "--workers", WORKERS, "--listen", address]
    gunicorn = [
        f"{python}/gunicorn", "--workers", WORKERS, "--bind", address, "--chdir", "Benchmarks/peers",
        "--log-level", "critical"]
    yield "reloaderd, Python example", [*ours, "/usr/bin/env", "python3", "Examples/python/worker.py"]
    yield "reloaderd, Node example", [*ours, "/usr/bin/env", "node", "Examples/node/worker.js"]
    yield "gunicorn, sync", [*gunicorn, "app:wsgi"]
    yield "gunicorn, gthread", [*gunicorn, "--worker-class", "gthread", "--threads", 8, "app:wsgi"]
    yield "uvicorn", [
        f"{python}/uvicorn", "--workers", WORKERS, "--host", "127.0.0.1", "--port", port,
        "--app-dir", "Benchmarks/peers", "--log-level", "critical", "--no-access-log", "app:asgi"]
    yield "node cluster", ["node", "Benchmarks/peers/cluster.js", port, WORKERS]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s: return s.getsockname()[1]


def wait_until_served(port, process):
    for _ in range(600):
        if process.poll() is not None: return False
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if s.recv(64): return True
        except OSError: pass
        time.sleep(0.05)
    return False


def measure(command, port, keep_alive):
    silent = subprocess.DEVNULL
    server = subprocess.Popen([str(w) for w in command], stderr=silent, stdout=silent, start_new_session=True)
    try:
        if not wait_until_served(port, server): return None
        time.sleep(1)  # until all of its workers are there
        words = [
            client, "--address", f"127.0.0.1:{port}", "--connections", str(CONNECTIONS), "--pause-ms", str(PAUSE_MS),
            "--until-eof", "--json", *["--keep-alive"] * keep_alive]
        load = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(RELOADS):
            time.sleep(SECONDS_BETWEEN)
            server.send_signal(signal.SIGHUP)
        time.sleep(SECONDS_BETWEEN)
        return json.loads(load.communicate()[0].splitlines()[-1])  # the first line says that it has begun
    finally:
        server.send_signal(signal.SIGTERM)
        try: server.wait(10)
        except subprocess.TimeoutExpired: os.killpg(server.pid, signal.SIGKILL)
        server.wait()


rows = []
kinds = ["refused", "reset", "earlyEnd", "timedOut", "non2xx", "malformed"]
for keep_alive in (False, True):
    for place in range(len(list(contenders(0)))):
        port = free_port()
        name, command = list(contenders(port))[place]
        if "/" in command[0] and not os.path.exists(command[0]): continue
        report = measure(command, port, keep_alive)
        mode = "keep-alive" if keep_alive else "one a request"
        if report is None:
            rows.append([name, mode, "did not start", *[""] * (len(kinds) + 4)])
            continue
        rows.append([
            name, mode, report["requests"], report["failed"], *(report[k] for k in kinds), len(report["workers"]),
            f"{report['latencyMicroseconds']['p99'] / 1000:.0f}", f"{report['latencyMicroseconds']['max'] / 1000:.0f}"])
print(f"{RELOADS} reloads (SIGHUP) under load, {WORKERS} workers, {CONNECTIONS} connections")
table(["", "connections", "requests", "failed", *kinds, "workers seen", "p99 ms", "max ms"], rows)
