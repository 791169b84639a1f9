"""A worker that can be told to misbehave. Its words are its arguments, carried out in order:

ready           READY=1 to READY_FD          notify          READY=1 to NOTIFY_SOCKET
newline         a bare newline to READY_FD   say TEXT        TEXT and a newline to READY_FD
send TEXT       TEXT to NOTIFY_SOCKET        err TEXT        TEXT and a newline to stderr
exit N          exits with status N          kill N          sends itself signal N
sleep SECONDS   sleeps                       ignore NAME     ignores SIGNAME
term-exit N     on SIGTERM exits with N      term-slow S     on SIGTERM exits after S seconds
close-ready     closes READY_FD              serve           accepts on descriptor 3, answers who it is, for ever
wait            waits for ever               show            who it is, as JSON, to stdout
show-to PATH    the same to a file or FIFO
flood-err N     N bytes to stderr            flood-ready N   N bytes of garbage to READY_FD
flood-notify N  N bytes of garbage to NOTIFY_SOCKET
fork            a child in its process group that waits for ever; its pid goes to stderr
leave-group     tries to leave its process group and session
daemonize       a grandchild in a session of its own that ends at once, left to the subreaper
number-err N    N numbered lines to stderr, with its slot in front, in pieces that end anywhere
gate PATH       waits for a newline at a FIFO   out TEXT      TEXT and a newline to stdout
ping N SECONDS WHERE   N times WATCHDOG=1 to READY_FD or NOTIFY_SOCKET, SECONDS apart; WHERE is ready or notify
term-extend S   on SIGTERM asks for a minute, and exits after S seconds
close-err       closes stderr                clock         CLOCK_MONOTONIC in seconds, to stdout
now             the wall clock in seconds, to stdout
orphans N       like N times daemonize, but they end together: says who their parent was, and waits for their ends
zombies         says how many children of the daemon have ended and are not reaped
report NAME     on SIGNAME says so
if-slot N … end, if-generation N … end       only where this is so
"""
import json, os, resource, select, signal, socket, sys, time

words = iter(sys.argv[1:])
ready = int(os.environ.get("READY_FD", "-1"))


def notify(data):
    address = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(data, "\0" + address[1:] if address[0] == "@" else address)


def show():
    """Bytes that need not be UTF-8 are written as Latin-1, one character each."""
    status = dict(l.rstrip("\n").split(":\t", 1) for l in open("/proc/self/status") if ":\t" in l)
    fds = {int(n): os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
           if int(n) not in (stop, wake) and os.path.exists(f"/proc/self/fd/{n}")}
    sockets = {}
    for number in (n for n, target in fds.items() if target.startswith("socket:")):
        with socket.socket(fileno=os.dup(number)) as s:
            name = s.getsockname()
            sockets[number] = {
                "family": s.family.name, "type": s.type.name, "port": name[1] if isinstance(name, tuple) else 0,
                "name": name[0] if isinstance(name, tuple)
                else os.fsencode(name).replace(b"\0", b"@").decode("latin-1")}
    limits = {n[7:].lower(): resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")}
    return json.dumps({
        "pid": os.getpid(), "pgid": os.getpgid(0), "ppid": os.getppid(), "uid": os.getuid(), "gid": os.getgid(),
        "groups": os.getgroups(), "cwd": os.getcwd(), "argv": sys.argv, "nice": os.nice(0),
        "cpus": sorted(os.sched_getaffinity(0)), "umask": status.get("Umask"),
        "blocked": status["SigBlk"], "ignored": status["SigIgn"], "caught": status["SigCgt"],
        "limits": limits, "fds": fds, "sockets": sockets,
        "env": {n.decode("latin-1"): v.decode("latin-1") for n, v in os.environb.items()}})


stop, wake = os.pipe() if "serve" in sys.argv else (-1, -1)


def drain_on_sigterm():
    """From the moment on when it says that it is ready to serve, unless an earlier word says what else SIGTERM does."""
    if "serve" in sys.argv and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: os.write(wake, b"x"))


def serve():
    """Until SIGTERM: what it has accepted it answers."""
    listener = socket.socket(fileno=3)
    listener.setblocking(False)
    while stop not in select.select([listener, stop], [], [])[0]:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:  # another worker was faster
            continue
        with connection:
            connection.setblocking(True)
            connection.recv(65536)
            body = (f"slot={os.environ['RELOADERD_SLOT']} generation={os.environ['RELOADERD_GENERATION']} "
                    f"pid={os.getpid()} cwd={os.getcwd()}\n")
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall((head + body).encode())


def say(text):
    print(text, file=sys.stderr, flush=True)


def parent_and_state(pid):
    with open(f"/proc/{pid}/stat") as f:
        state, parent = f.read().rpartition(")")[2].split()[:2]
    return int(parent), state


def orphans(count):
    pids, pids_there = os.pipe()
    hold, hold_there = os.pipe()
    for _ in range(count):
        if os.fork() == 0:
            os.setsid()
            child = os.fork()
            if child == 0:
                os.close(hold_there)
                os.read(hold, 1)
            else:
                os.write(pids_there, f"{child}\n".encode())
            os._exit(0)
        os.wait()
    os.close(pids_there)
    children = [int(line) for line in os.read(pids, 65536).split()]
    say("parents " + " ".join(sorted({str(parent_and_state(pid)[0]) for pid in children})) + f" of {len(children)}")
    ends = [os.pidfd_open(pid) for pid in children]
    os.close(hold_there)
    for end in ends: select.select([end], [], [])
    say("orphans have ended")


def zombies():
    found = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try: found += parent_and_state(pid) == (os.getppid(), "Z")
        except OSError: pass
    say(f"zombies {found}")


for word in words:
    if word in ("ready", "newline", "notify"): drain_on_sigterm()
    if word == "ready": os.write(ready, b"READY=1\n")
    elif word == "newline": os.write(ready, b"\n")
    elif word == "say": os.write(ready, next(words).encode() + b"\n")
    elif word == "notify": notify(b"READY=1")
    elif word == "send": notify(next(words).encode())
    elif word == "err": print(next(words), file=sys.stderr, flush=True)
    elif word == "exit": sys.exit(int(next(words)))
    elif word == "kill": os.kill(os.getpid(), int(next(words)))
    elif word == "sleep": time.sleep(float(next(words)))
    elif word == "ignore": signal.signal(getattr(signal, "SIG" + next(words)), signal.SIG_IGN)
    elif word == "term-exit":
        code = int(next(words))
        signal.signal(signal.SIGTERM, lambda *_: os._exit(code))
    elif word == "term-slow":
        seconds = float(next(words))
        signal.signal(signal.SIGTERM, lambda *_: (time.sleep(seconds), os._exit(0)))
    elif word == "report":
        signal.signal(getattr(signal, "SIG" + (name := next(words))), lambda *_, name=name: say("got " + name))
    elif word == "leave-group":
        for leave in (lambda: os.setpgid(0, os.getpgid(os.getppid())), os.setsid):
            try: leave()
            except OSError: pass
    elif word == "orphans": orphans(int(next(words)))
    elif word == "zombies": zombies()
    elif word == "gate":
        with open(next(words)) as gate: gate.readline()
    elif word == "close-ready": os.close(ready)
    elif word == "serve": serve()
    elif word == "wait":
        while True: signal.pause()
    elif word == "show": print(show(), flush=True)
    elif word == "show-to":
        shown = show()
        with open(next(words), "a") as file: print(shown, file=file)
    elif word == "flood-err":
        left = int(next(words))
        while left > 0: left -= os.write(2, (b"x" * 79 + b"\n") * 64)
    elif word == "number-err":
        slot = os.environ["RELOADERD_SLOT"]
        text = "".join(f"{slot}:{number}\n" for number in range(int(next(words)))).encode()
        while text: text = text[os.write(2, text[:50021]):]
    elif word == "flood-ready":
        left = int(next(words))
        while left > 0: left -= os.write(ready, os.urandom(4096).replace(b"\n", b"\0"))
    elif word == "flood-notify":
        left = int(next(words))
        while left > 0:
            notify(os.urandom(1024))
            left -= 1024
    elif word == "out": os.write(1, next(words).encode() + b"\n")
    elif word == "ping":
        count, seconds, where = int(next(words)), float(next(words)), next(words)
        for _ in range(count):
            if where == "ready": os.write(ready, b"WATCHDOG=1\n")
            else: notify(b"WATCHDOG=1")
            time.sleep(seconds)
    elif word == "term-extend":
        extended = float(next(words))
        signal.signal(signal.SIGTERM, lambda *_: (
            notify(b"EXTEND_TIMEOUT_USEC=60000000"), time.sleep(extended), os._exit(0)))
    elif word == "clock": os.write(1, b"%.3f\n" % time.monotonic())
    elif word == "now": os.write(1, b"%.3f\n" % time.time())
    elif word == "close-err": os.close(2)
    elif word == "fork":
        child = os.fork()
        if child == 0:
            while True: signal.pause()
        print(f"child {child}", file=sys.stderr, flush=True)
    elif word == "daemonize":
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0: os._exit(0)
            os._exit(0)
        os.wait()
    elif word in ("if-slot", "if-generation"):
        if os.environ["RELOADERD_" + word[3:].upper()] != next(words):
            for skipped in words:
                if skipped == "end": break
    elif word == "end": pass
    else: sys.exit(f"no such word: {word}")
