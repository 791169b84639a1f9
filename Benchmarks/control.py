"""The control socket: how long `status` takes, and how soon after the last slot's readiness a waiting `reload` is
answered. Targets: status of 1,000 workers in under 100 ms; the answer within 50 ms."""
import datetime, json, socket, tempfile, threading, time
from pool import Daemon, median, table, worker


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rwb")

    def ask(self, verb):
        """The answer, its bytes, and how long it took."""
        before = time.monotonic()
        self.file.write(json.dumps({"v": 1, "verb": verb}).encode() + b"\n")
        self.file.flush()
        while True:
            line = self.file.readline()
            took = time.monotonic() - before
            answer = json.loads(line)
            if answer["type"] != "event": return answer, len(line), took


def ready_times(daemon, times):
    """When each worker became ready, on the wall clock; reads the log on."""
    for line in daemon.process.stderr:
        record = json.loads(line)
        if record["event"] == "stopping": return
        if record["event"] == "worker_ready": times.append(datetime.datetime.fromisoformat(record["time"]).timestamp())


rows = []
for count in (4, 64, 1000):
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(
            "--name", "bench", "--listen", "127.0.0.1:0", "--workers", count, worker,
            environment={"RUNTIME_DIRECTORY": folder, "STATE_DIRECTORY": folder})
        daemon.wait("pool_ready")
        client, times = Client(f"{folder}/bench.sock"), []
        threading.Thread(target=ready_times, args=(daemon, times), daemon=True).start()
        walls, used, lags = [], [], []
        for _ in range(21):
            cpu = daemon.cpu_seconds()
            answer, size, took = client.ask("status")
            walls.append(took)
            used.append(daemon.cpu_seconds() - cpu)
            assert len(answer["slots"]) == count
        for _ in range(5):
            assert client.ask("reload")[0]["outcome"] == "done"
            now = time.time()
            time.sleep(0.5)  # the log is read by another thread
            lags.append(now - max(t for t in times if t <= now))
        daemon.stop()
        rows.append(
            [count, *(f"{v * 1000:.1f}" for v in (median(walls), max(walls), median(used), max(lags))), size // 1024])
print("Control socket: 21 times status, 5 times reload")
table(["workers", "status ms", "worst", "of that daemon CPU", "answer after last ready, worst ms", "status KiB"], rows)
