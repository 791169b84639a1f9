"""An idle pool: how often the daemon wakes up, and what memory it holds.
Target: 0 wakeups in 10 s, 2 MB with 64 workers."""
import time
from pool import Daemon, table, worker

SECONDS = 10
rows = []
for count in (1, 64, 1000):
    daemon = Daemon("--workers", count, worker)
    daemon.wait("pool_ready")
    time.sleep(1)  # what follows the readiness of the last worker is not idleness
    before, ticks = daemon.switches(), daemon.ticks()
    time.sleep(SECONDS)
    wakeups, used = daemon.switches() - before, daemon.ticks() - ticks
    resident, anonymous = daemon.status("VmRSS", "RssAnon")
    rows.append([count, wakeups, used, anonymous, daemon.private_anonymous(), resident, daemon.descriptors()])
    daemon.stop()
print(f"Idle for {SECONDS} s")
table(["workers", "wakeups", "CPU ticks", "RssAnon KiB", "Pss_Anon KiB", "VmRSS KiB", "descriptors"], rows)
