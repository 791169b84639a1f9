"""From the death of a worker to its replacement's first instruction: SIGKILL sent -> clock read in main().
Beside it, in turn and in the same run, the bare way: waitid, vfork, exec of the same program.
Target: at most 1.5 times as long."""
import os, signal, subprocess, tempfile, time
from pool import Births, Daemon, bare, median, percentile, table, worker

COUNT = 300
POOLS = [1, 64, 1000]
PAUSE = 0.002  # until what follows a start is over


def restart(births, pid):
    """Kills `pid`; nanoseconds until the next one runs, and its PID."""
    begin = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    pid, born = births.next()
    return born - begin, pid


def compare(workers):
    """Both ways in turn; nanoseconds each."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        ours, theirs = Births(first), Births(second)
        daemon = Daemon("--workers", workers, "--backoff-reset", "0s", worker, environment={"BENCH_FIFO": ours.path})
        plain = subprocess.Popen([bare, worker], env={"BENCH_FIFO": theirs.path})
        our_pid, their_pid = [ours.next()[0] for _ in range(workers)][0], theirs.next()[0]
        daemon.wait("pool_ready")
        supervised, unsupervised = [], []
        for _ in range(COUNT):
            taken, their_pid = restart(theirs, their_pid)
            unsupervised.append(taken)
            time.sleep(PAUSE)
            taken, our_pid = restart(ours, our_pid)
            supervised.append(taken)
            daemon.wait("worker_ready")  # one that dies before would be a failure, and wait
            time.sleep(PAUSE)
        plain.kill()
        plain.wait()
        os.kill(their_pid, signal.SIGKILL)
        daemon.stop()
    return unsupervised, supervised


def microseconds(values): return [f"{percentile(values, part) / 1000:.0f}" for part in (0.1, 0.5, 0.9)]


rows = []
for workers in POOLS:
    unsupervised, supervised = compare(workers)
    rows.append(["bare waitid, vfork, exec", *microseconds(unsupervised), ""])
    ratio = median(supervised) / median(unsupervised)
    rows.append([f"reloaderd, pool of {workers}", *microseconds(supervised), f"{ratio:.2f}"])
print(f"Death of a worker to the first instruction of its replacement, {COUNT} times each, in turn")
table(["", "10 % µs", "median µs", "90 % µs", "ratio"], rows)
