"""How long a reload takes, beside what it can't be shorter than: the program's boot time for each wave of the surge."""
import signal
from pool import Daemon, median, table, worker

ROUNDS = 5
rows = []
for count, surge, boot in ((1, 1, 0), (4, 1, 0), (64, 16, 0), (4, 1, 200), (16, 4, 200), (64, 16, 200), (64, 64, 200)):
    daemon = Daemon("--workers", count, "--surge", surge, worker, boot)
    daemon.wait("pool_ready")
    took = []
    for _ in range(ROUNDS):
        daemon.process.send_signal(signal.SIGHUP)
        took.append(daemon.wait("reload_done")["took"])
    daemon.stop()
    least = boot / 1000 * -(-count // surge)
    rows.append([count, surge, boot, f"{median(took):.3f}", f"{least:.3f}", f"{median(took) - least:.3f}"])
print(f"Reload, {ROUNDS} times each")
table(["workers", "surge", "boot ms", "median s", "boot x waves s", "more s"], rows)
