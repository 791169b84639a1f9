"""A strict client for the awkward shapes of traffic: shapes.py PORT SHAPE=CONNECTIONS... [--proxied]

Asks on 127.0.0.1:PORT until its input ends, with so many connections in each shape at a time, and then prints a report
as a line of JSON. Retries nothing. Prints "started" once every connection has its first answer, and "generation N" when
N has answered for the first time. What a server must answer:

    GET /                   "slot=… generation=… pid=…" and a newline
    GET /sleep?ms=N         the same after N ms
    POST /upload            how many bytes its body had, and a newline
    GET /stream?n=K&pause=P "chunk" and a newline K times, P ms from one to the next

A request is cut if it is refused, reset, ended before its answer was whole (early_end), not answered in time
(timed_out), or answered with another status than 200 (status) or another body (wrong). One kind of loss is counted
apart, as a race, because no server that closes idle connections can avoid it: the connection has carried an answer
before, nothing of this answer has come, and the server closed while the request was on its way: it ended within 20 ms
of the sending, or was reset within 250 ms (a reset says that nobody has read the request). A close that has arrived
before a request is sent is none of the request's business: idle_closed. With --proxied, a 502 is a race if the proxy
says that its server closed within those 20 ms.
"""
import asyncio, collections, dataclasses, json, random, socket, struct, sys, time

ENDED_RACE, RESET_RACE = 0.020, 0.250
PATIENCE = 20.0  # beyond the time that an answer takes by itself
TCP_CLOSE = 7  # tcp_info's state after a reset


@dataclasses.dataclass
class Ask:
    """One request: what to send, in parts with pauses between them, and the answer that is due; None: who it is."""
    parts: list
    pause: float = 0.0
    due: bytes | None = None
    takes: float = 0.0


def get(path, **fields): return Ask([f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()], **fields)


def sleep(milliseconds): return get(f"/sleep?ms={milliseconds}", takes=milliseconds / 1000)


def upload(pause, size=3000):
    head = f"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {3 * size}\r\n\r\n".encode()
    return Ask([head + size * b"x", size * b"x", size * b"x"], pause, b"%d\n" % (3 * size), 2 * pause)


def stream(count, pause):
    return get(f"/stream?n={count}&pause={round(1000 * pause)}", due=count * b"chunk\n", takes=count * pause)


@dataclasses.dataclass
class Shape:
    """`batch` makes the requests that are sent at once; a connection carries so many batches, with pauses between
    them."""
    batch: object
    batches: int = 1_000_000
    think: float = 0.0


SHAPES = {
    # The first and only request of its connection.
    "first-0": Shape(lambda: [get("/")], 1),
    "first-500": Shape(lambda: [sleep(500)], 1),
    "first-1300": Shape(lambda: [sleep(1300)], 1),
    "first-4000": Shape(lambda: [sleep(4000)], 1),
    # The next request follows at once; for 4 s, for a client that never rests can only be cut in the end.
    "back-to-back": Shape(lambda: [sleep(random.randrange(200))], 40),
    "think-100": Shape(lambda: [get("/")], think=0.1),
    "upload-1300": Shape(lambda: [upload(1.3)], 2),
    "upload-2500": Shape(lambda: [upload(2.5)], 2),
    "stream-150": Shape(lambda: [stream(20, 0.15)], 2),
    "stream-700": Shape(lambda: [stream(5, 0.7)], 2),
    "stream-2500": Shape(lambda: [stream(3, 2.5)], 2),
    "pipelined": Shape(lambda: [get("/"), sleep(100), get("/"), sleep(300)], 10),
    # Nothing but a connection that is kept: it sees how long that takes to be closed.
    "idle": Shape(lambda: [get("/")], think=3600.0),
}


class Cut(Exception):
    """A request that was not answered as it must be; args: the kind, and what happened."""


class Connection:
    """One connection; counts in `report` what comes of its requests."""

    def __init__(self, port, report):
        self.report, self.loop = report, asyncio.get_running_loop()
        self.buffer, self.answers, self.announced_close = b"", 0, False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = ("127.0.0.1", port)

    async def open(self):
        try: await asyncio.wait_for(self.loop.sock_connect(self.socket, self.address), PATIENCE)
        except ConnectionRefusedError: raise Cut("refused", "connect")
        except ConnectionResetError: raise Cut("reset", "connect")
        except asyncio.TimeoutError: raise Cut("timed_out", "connect")

    def is_closed(self):
        """Whether the end is here already."""
        try: return not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError: return False
        except OSError: return True

    async def ask(self, batch):
        """Sends the batch and takes its answers."""
        self.sent, self.began = time.monotonic(), False
        sending = asyncio.ensure_future(self.send(batch))
        try:
            for number, ask in enumerate(batch):
                self.began = self.began or number > 0
                await self.answer(ask, sum(a.takes for a in batch))
        except (ConnectionError, asyncio.TimeoutError, Cut) as error:
            raise self.judged(error) from None
        finally:
            sending.cancel()

    async def send(self, batch):
        for ask in batch:
            for number, part in enumerate(ask.parts):
                if number: await asyncio.sleep(ask.pause)
                self.sent = time.monotonic()
                # What comes of it, reading tells.
                try: await self.loop.sock_sendall(self.socket, part)
                except OSError: return

    def judged(self, error):
        """The error as a Cut, whose kind is "race" for the one loss that nobody can avoid."""
        kind, detail = error.args if isinstance(error, Cut) else (
            ("timed_out", "no answer") if isinstance(error, asyncio.TimeoutError) else ("reset", str(error)))
        after = time.monotonic() - self.sent
        detail = f"{detail}, {round(1000 * after)} ms after the sending, after {self.answers} answers"
        if kind in ("reset", "early_end") and self.answers and not self.began:
            unread = kind == "reset" or self.state() == TCP_CLOSE
            if after <= (RESET_RACE if unread else ENDED_RACE): kind = "race"
        return Cut(kind, detail)

    def state(self): return struct.unpack_from("B", self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8))[0]

    async def answer(self, ask, takes):
        status, headers, body = await asyncio.wait_for(self.response(), takes + PATIENCE)
        if status != 200: raise Cut(self.kind(status, headers), f"{status} {body[:60]!r}")
        who = None if ask.due else generation(body)
        if body != ask.due and who is None: raise Cut("wrong", f"{body[:60]!r}")
        self.answers += 1
        self.announced_close = headers.get("connection", "").lower() == "close"
        self.report.answered(who)

    def kind(self, status, headers):
        """nginx.sh says how long its server took until it closed the connection."""
        took = headers.get("x-upstream-time", "-").split(",")[-1].strip()
        proxied = self.report.is_proxied and status == 502 and took != "-"
        return "race" if proxied and float(took) <= ENDED_RACE else "status"

    async def response(self):
        head = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        try:
            status = int(head[0].split()[1])
            if headers.get("transfer-encoding", "").lower() == "chunked":
                body = b""
                while size := int(await self.until(b"\r\n"), 16):
                    body += await self.exactly(size)
                    await self.until(b"\r\n")
                await self.until(b"\r\n")
            elif "content-length" in headers: body = await self.exactly(int(headers["content-length"]))
            else: body = await self.rest()
        except (ValueError, IndexError): raise Cut("wrong", f"no HTTP: {head[0][:60]!r}")
        return status, headers, body

    async def until(self, end):
        while end not in self.buffer: await self.more()
        found, _, self.buffer = self.buffer.partition(end)
        return found

    async def exactly(self, size):
        while len(self.buffer) < size: await self.more()
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    async def rest(self):
        while chunk := await self.loop.sock_recv(self.socket, 65536): self.buffer += chunk
        found, self.buffer = self.buffer, b""
        return found

    async def more(self):
        chunk = await self.loop.sock_recv(self.socket, 65536)
        if not chunk: raise Cut("early_end", "closed")
        self.began = True
        self.buffer += chunk

    async def closed(self):
        """Returns at the end of the connection."""
        try: unasked = await self.loop.sock_recv(self.socket, 60)
        except OSError: return
        if unasked: raise Cut("wrong", f"nobody has asked for {unasked!r}")

    def close(self): self.socket.close()


def generation(body):
    """The generation that an answer names; None if the answer is not as it should be."""
    words = dict(word.partition("=")[::2] for word in body.decode("latin-1").split())
    if not body.endswith(b"\n") or set(words) != {"slot", "generation", "pid"}: return None
    return int(words["generation"])


class Report:
    """What came of one shape's requests."""
    seen, is_proxied = set(), False
    start = time.monotonic()

    def __init__(self, name):
        self.name, self.ok, self.idle_closed, self.announced = name, 0, 0, 0
        self.cut, self.races, self.details = collections.Counter(), 0, []

    def answered(self, who):
        self.ok += 1
        if who in self.seen or who is None: return
        self.seen.add(who)
        print(f"generation {who}", flush=True)

    def failed(self, kind, detail):
        if kind == "race": self.races += 1
        else: self.cut[kind] += 1
        if len(self.details) < 20: self.details.append(f"{time.monotonic() - self.start:.3f} s: {kind}: {detail}")

    def fields(self):
        return {
            "requests": self.ok + self.races + sum(self.cut.values()), "ok": self.ok, "cut": dict(self.cut),
            "races": self.races, "idle_closed": self.idle_closed, "announced": self.announced, "details": self.details}


async def client(port, shape, report, stop, first):
    """Connections one after the other, until stop; what is in the middle then is still taken to its end."""
    while not stop.is_set():
        await asyncio.sleep(random.random() * 0.5)  # not all in step; and a proxy's connections come to rest at times
        connection = Connection(port, report)
        try:
            await connection.open()
            await carry(connection, shape, report, stop, first)
        except Cut as cut:
            report.failed(*cut.args)
            first.set()
            await asyncio.sleep(0.02)  # a server that refuses is not flooded
        finally:
            connection.close()


async def carry(connection, shape, report, stop, first):
    for number in range(shape.batches):
        if number and connection.is_closed():
            report.idle_closed += 1
            return
        await connection.ask(shape.batch())
        first.set()
        if connection.announced_close: report.announced += 1
        if connection.announced_close or stop.is_set(): return
        if not shape.think: continue
        waits = [asyncio.ensure_future(w) for w in (connection.closed(), stop.wait())]
        done, pending = await asyncio.wait(waits, timeout=shape.think, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending: wait.cancel()
        if waits[0] in done:
            waits[0].result()
            report.idle_closed += 1
            return
        if stop.is_set(): return


async def main(words):
    Report.is_proxied = "--proxied" in words
    port, *shapes = (word for word in words if word != "--proxied")
    stop, firsts, reports, clients = asyncio.Event(), [], [], []
    asyncio.get_running_loop().add_reader(0, lambda: sys.stdin.buffer.raw.read(4096) or stop.set())
    for name, _, count in (shape.partition("=") for shape in shapes):
        reports.append(Report(name))
        for _ in range(int(count)):
            firsts.append(asyncio.Event())
            clients.append(asyncio.ensure_future(client(int(port), SHAPES[name], reports[-1], stop, firsts[-1])))
    for first in firsts: await first.wait()
    print("started", flush=True)
    await stop.wait()
    asyncio.get_running_loop().remove_reader(0)
    await asyncio.gather(*clients)
    print(json.dumps({"shapes": {report.name: report.fields() for report in reports}}), flush=True)


asyncio.run(main(sys.argv[1:]))
