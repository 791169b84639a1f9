"""What the benchmarks share: a daemon under measurement, facts about the machine, tables."""
import json, os, platform, signal, struct, subprocess, sys

folder = os.environ.get("BENCH_FOLDER", ".build/benchmarks")  # where Benchmarks/run puts the programs
reloaderd = os.environ.get("BENCH_RELOADERD", ".build/release/reloaderd")
worker, bare = f"{folder}/worker", f"{folder}/bare"


# Little, so that memory is the daemon's own; its folders, so that nothing is left in the machine's.
surroundings = {
    name: os.environ[name] for name in ("PATH", "RUNTIME_DIRECTORY", "STATE_DIRECTORY") if name in os.environ}


class Daemon:
    """A running reloaderd; `wait` reads its log up to an event."""

    def __init__(self, *words, environment={}):
        self.process = subprocess.Popen(
            [reloaderd, "--log-format", "json", *map(str, words)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, env={**surroundings, **environment}, text=True)
        self.pid = self.process.pid

    def wait(self, event):
        for line in self.process.stderr:
            record = json.loads(line) if line.startswith("{") else {}
            if record.get("event") == event: return record
        sys.exit(f"the daemon ended without {event}")

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.communicate()

    def status(self, *names):
        """Fields of /proc/PID/status, as numbers."""
        fields = dict(l.split(":", 1) for l in open(f"/proc/{self.pid}/status"))
        return [int(fields[n].split()[0]) for n in names]

    def switches(self): return sum(self.status("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"))

    def cpu_seconds(self):
        """Time on a CPU, in the scheduler's nanoseconds."""
        return int(open(f"/proc/{self.pid}/schedstat").read().split()[0]) / 1e9

    def ticks(self):
        fields = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def private_anonymous(self):
        """Pss_Anon in KiB."""
        lines = open(f"/proc/{self.pid}/smaps_rollup").read().splitlines()
        return next(int(l.split()[1]) for l in lines if l.startswith("Pss_Anon:"))

    def descriptors(self): return len(os.listdir(f"/proc/{self.pid}/fd"))


class Births:
    """A FIFO in which worker.c says when it began to run."""

    def __init__(self, directory):
        self.path = f"{directory}/births"
        os.mkfifo(self.path)
        self.descriptor = os.open(self.path, os.O_RDWR)

    def next(self):
        """PID and CLOCK_MONOTONIC in nanoseconds."""
        return struct.unpack("qq", os.read(self.descriptor, 16))


def median(values): return sorted(values)[len(values) // 2]


def percentile(values, part): return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def table(head, rows):
    rows = [[str(c) for c in r] for r in [head, *rows]]
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    for number, row in enumerate(rows):
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip())
        if number == 0: print("  ".join("-" * w for w in widths))
    print(flush=True)


def machine():
    model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    memory = int(open("/proc/meminfo").readline().split()[1]) // 1024
    load = " ".join(open("/proc/loadavg").read().split()[:3])
    return f"{model}, {len(os.sched_getaffinity(0))} CPUs, {memory} MB, Linux {platform.release()}, load {load}"
