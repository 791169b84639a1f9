"""Big pools: what starting a worker costs the daemon. Target: with 1,000 workers no more for each than with 100."""
from pool import Daemon, median, table, worker

ROUNDS = 5
taken = {100: [], 1000: []}
memory, until_ready = {}, {}
for _ in range(ROUNDS):
    for count in taken:
        daemon = Daemon("--workers", count, worker)
        ready = daemon.wait("pool_ready")
        taken[count].append(daemon.cpu_seconds() / count)
        until_ready.setdefault(count, []).append(ready["after"])
        memory[count] = daemon.status("RssAnon")[0]
        daemon.stop()

print(f"Start of many workers, {ROUNDS} times each, in turn: the daemon's CPU time, its own start included")
table(["workers", "CPU µs a worker", "until all are ready s", "RssAnon KiB"], [
    [count, f"{median(values) * 1e6:.0f}", f"{median(until_ready[count]):.2f}", memory[count]]
    for count, values in taken.items()])
print(f"ratio: {median(taken[1000]) / median(taken[100]):.2f}\n")
