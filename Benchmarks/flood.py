"""What a worker that floods its output costs the others: how long a request to another worker takes, how long a line of
another worker is on its way through the daemon, and how long a reload takes, with such a worker and without, in one
run."""
import os, signal, socket, subprocess, sys, tempfile, threading, time
from pool import median, percentile, reloaderd, table

SECONDS, RELOADS, WORKERS = 5, 5, 4
# Slot 0 floods, if it is told to; slot 1 answers on a socket of its own and says when, on stderr.
SCRIPT = """
ready() { echo READY=1 >&$READY_FD; }
case $RELOADERD_SLOT in
0) echo $$ >"$2/flooder.$$"; mv "$2/flooder.$$" "$2/flooder"; ready
   [ $1 = quiet ] || exec yes "$(printf %099d 0)" >&2 ;;
1) exec python3 -IS -c "$3" "$2" ;;
*) ready ;;
esac
exec sleep 1000
"""
ANSWERER = r"""
import os, socket, sys, time
path = f"{sys.argv[1]}/{os.getpid()}"
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(64)
os.rename(path, f"{sys.argv[1]}/socket")
os.write(int(os.environ["READY_FD"]), b"READY=1\n")
while True:
    connection, _ = server.accept()
    connection.recv(1)
    os.write(2, b"said %d\n" % time.monotonic_ns())
    connection.sendall(b"x")
    connection.close()
"""


class Reader(threading.Thread):
    """Reads the daemon's standard error as fast as it comes, and takes the time of the lines that say theirs."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe, self.delays, self.reloads, self.ready = pipe, [], [], threading.Event()
        self.done = threading.Semaphore(0)
        self.start()

    def run(self):
        rest = b""
        while data := os.read(self.pipe, 1 << 20):
            now = time.monotonic_ns()
            lines = rest + data
            for word in (b"said ", b"event=pool_ready ", b"event=reload_done "):
                start = lines.find(word)
                while start >= 0 and lines.find(b"\n", start) >= 0:
                    self.take(word, lines[start:lines.find(b"\n", start)], now)
                    start = lines.find(word, start + 1)
            rest = lines[lines.rfind(b"\n") + 1:]

    def take(self, word, text, now):
        if word == b"said ": self.delays.append((now - int(text.split()[1])) / 1e6)
        elif b"pool_ready" in word: self.ready.set()
        else:
            self.reloads.append(float(text.split(b"took=")[1].split(b"s")[0]) * 1000)
            self.done.release()


def measure(output, flood, folder):
    read, write = os.pipe()
    words = ["--output", output, "--workers", WORKERS, "sh", "-c", SCRIPT, "sh", flood, folder, ANSWERER]
    daemon = subprocess.Popen(
        [reloaderd, *map(str, words)], stderr=write, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    os.close(write)
    reader = Reader(read)
    if not reader.ready.wait(60): sys.exit("the pool is not ready")
    flooder = open(f"{folder}/flooder").read().strip()
    written = lambda: int(open(f"/proc/{flooder}/io").read().split("wchar: ")[1].split()[0])
    requests, end, before = [], time.monotonic() + SECONDS, written()
    while time.monotonic() < end:
        began = time.monotonic_ns()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{folder}/socket")
            client.sendall(b"x")
            client.recv(1)
        requests.append((time.monotonic_ns() - began) / 1e6)
        time.sleep(0.005)
    flooded = (written() - before) / SECONDS / 1e6
    used = int(open(f"/proc/{daemon.pid}/schedstat").read().split()[0]) / 1e9
    memory = next(int(l.split()[1]) for l in open(f"/proc/{daemon.pid}/status") if l.startswith("VmRSS:"))
    for _ in range(RELOADS):
        daemon.send_signal(signal.SIGHUP)
        if not reader.done.acquire(timeout=60): sys.exit("the reload is not done")
    daemon.send_signal(signal.SIGQUIT)
    daemon.wait()
    reader.join()
    os.close(read)
    delays = [] if output.startswith("file") else reader.delays
    return [
        output.split(":")[0], flood, f"{flooded:.0f}", f"{median(requests):.2f}", f"{percentile(requests, 0.99):.2f}",
        *([f"{median(delays):.2f}", f"{percentile(delays, 0.99):.2f}"] if delays else ["-", "-"]),
        f"{median(reader.reloads):.0f}", f"{used:.2f}", memory]


with tempfile.TemporaryDirectory() as folder:
    rows = [
        measure(output, flood, folder)
        for output in ("inherit", "relay", "prefix", "file:/dev/null") for flood in ("quiet", "flood")]
print(f"{WORKERS} workers, one floods its standard error; {SECONDS} s, then {RELOADS} reloads")
table(["output", "slot 0", "MB/s", "request ms", "p99", "line ms", "p99", "reload ms", "CPU s", "VmRSS KiB"], rows)
