"""gRPC without a schema, bytes for bytes: rpc.py serve PORT [shutdown], or, as shapes.py is for HTTP/1, rpc.py ask PORT
CHANNELS.

The server answers calls of Slow after as many ms as the request says, and calls of Stream with 4 messages, so many ms
apart; with the word shutdown it drains itself on SIGTERM.
Each channel of the client makes slow calls of 0 to 2.5 s, streams with pauses of 700 ms, and quick calls 400 ms apart,
all at the same time; nothing is retried. It makes no new ones after 5 s, and ends when all are answered: a channel that
never rests can only be cut in the end.
"""
import collections, concurrent.futures, json, os, random, signal, sys, threading, time
import grpc

RACE, PATIENCE = 0.020, 20.0  # as in shapes.py
LIFETIME = 5.0


def serve(port, shuts_down):
    who = (f"slot={os.environ['RELOADERD_SLOT']} generation={os.environ['RELOADERD_GENERATION']} "
           f"pid={os.getpid()}\n").encode()

    def slow(request, context):
        time.sleep(int(request) / 1000)
        return who

    def stream(request, context):
        for number in range(4):
            if number: time.sleep(int(request) / 1000)
            yield who

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(64))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Test", {
        "Slow": grpc.unary_unary_rpc_method_handler(slow), "Stream": grpc.unary_stream_rpc_method_handler(stream)})])
    server.add_insecure_port(f"127.0.0.1:{port}")
    if shuts_down: signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=30))
    server.start()
    server.wait_for_termination()


class Report:
    """What came of one kind of calls."""
    lock, seen, start = threading.Lock(), set(), time.monotonic()

    def __init__(self): self.ok, self.races, self.cut, self.details = 0, 0, collections.Counter(), []

    def answered(self, who):
        with self.lock:
            self.ok += 1
            generation = who.split()[1].decode().replace("=", " ")
            if generation in self.seen: return
            self.seen.add(generation)
            print(generation, flush=True)

    def failed(self, kind, after, detail, is_reused):
        with self.lock:
            if is_reused and kind == "unavailable" and after <= RACE: self.races += 1
            else: self.cut[kind] += 1
            self.details.append(f"{time.monotonic() - self.start:.3f} s: {kind} after {1000 * after:.0f} ms: {detail}")

    def fields(self):
        return {
            "requests": self.ok + self.races + sum(self.cut.values()), "ok": self.ok, "cut": dict(self.cut),
            "races": self.races, "idle_closed": 0, "announced": 0, "details": self.details[:20]}


def calls(channel, kind, report, stop, first):
    slow, stream = channel.unary_unary("/Test/Slow"), channel.unary_stream("/Test/Stream")
    end = time.monotonic() + LIFETIME
    while not stop.is_set() and time.monotonic() < end:
        begun = time.monotonic()
        try:
            if kind == "stream": answers = list(stream(b"700", timeout=PATIENCE))
            else: answers = [slow(b"%d" % (random.randrange(2500) if kind == "slow" else 0), timeout=PATIENCE)]
            if len(answers) == (4 if kind == "stream" else 1): report.answered(answers[-1])
            else: report.failed("wrong", time.monotonic() - begun, f"{len(answers)} answers", False)
        except grpc.RpcError as error:
            report.failed(error.code().name.lower(), time.monotonic() - begun, error.details(), first.is_set())
        first.set()
        stop.wait(0.4 if kind == "quick" else 0.05)


def client(port, reports, stop, first):
    """Channels one after the other."""
    while not stop.is_set():
        # With a pool of its own: channels with the same options share their connection.
        options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
            run([threading.Thread(target=calls, args=(channel, *each, stop, first)) for each in reports.items()])


def run(threads, between=lambda: None):
    for thread in threads: thread.start()
    between()
    for thread in threads: thread.join()


def ask(port, channels):
    reports = {kind: Report() for kind in ("slow", "stream", "quick")}
    stop, firsts = threading.Event(), [threading.Event() for _ in range(channels)]

    def until_asked_to_end():
        for first in firsts: first.wait()
        print("started", flush=True)
        sys.stdin.read()
        stop.set()

    run([threading.Thread(target=client, args=(port, reports, stop, first)) for first in firsts], until_asked_to_end)
    print(json.dumps({"shapes": {kind: report.fields() for kind, report in reports.items()}}), flush=True)


if sys.argv[1] == "serve": serve(int(sys.argv[2]), "shutdown" in sys.argv)
else: ask(int(sys.argv[2]), int(sys.argv[3]))
