#!/usr/bin/env python3
"""An HTTP worker in Python, standard library only.

Under reloaderd:    reloaderd --listen 127.0.0.1:8080 python3 Examples/python/worker.py
By hand:            python3 worker.py 8080, or PORT=8080 (0: any free port)

    GET /              200  slot=0 generation=1 pid=123
    GET /slow?ms=200   the same, 200 ms later (60,000 at most)

A drain (SIGTERM) loses nothing when every request that reaches this worker is answered by it, and no client has to
find out by a failed request that its connection is gone:
  1. What waits in the accept queue is accepted, then this worker's descriptor of the listener is closed. The listener
     itself lives on in the supervisor and in the other workers.
  2. Every accepted connection gets its answer, and each answer from now on says "Connection: close".
  3. An idle keep-alive connection has had an answer without that word. Closing it at once would race with a request
     that is already on its way, so it is kept for one request more, for DRAIN_IDLE_MS (5000) at most. That has to be
     well under the supervisor's --stop-timeout.
"""

import asyncio
import errno
import os
import re
import signal
import socket
import sys

IDLE_SECONDS = 75  # for the next request, in the normal course of things
STALLED_SECONDS = 10  # for the rest of a request
LINGERING_SECONDS = 1  # for the client to close, after the last response
ACCEPTS_PER_TURN = 8  # so that connections get their turn, and other workers their share
ACCEPTS_AT_DRAIN = 8192  # more than a full queue of the default backlog
HEAD_BYTES_MAX = 16_384
BODY_BYTES_MAX = 1 << 20
DELAY_MS_MAX = 60_000
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    505: "HTTP Version Not Supported",
}


class BadRequest(Exception):
    """Where the next request would begin is unknown: answer with this status and close."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Request:
    """One request, read from the bytes received so far (RFC 9112)."""

    @classmethod
    def take(cls, received):
        """Removes a whole request from the start of `received`; None: there is no whole one yet."""
        if received.startswith(b"\r\n"):
            del received[:2]
        end = received.find(b"\r\n\r\n")
        if end > HEAD_BYTES_MAX or (end < 0 and len(received) > HEAD_BYTES_MAX):
            raise BadRequest(431)
        if end < 0:
            return None
        request_line, *header_lines = received[:end].decode("latin-1").split("\r\n")
        request = cls(request_line)
        for line in header_lines:
            request.obey(line)
        length = end + 4 + request.body_length
        if len(received) < length:
            return None
        del received[:length]
        return request

    def __init__(self, request_line):
        words = request_line.split(" ")
        if len(words) != 3 or not words[0] or not words[1].startswith(("/", "*")):
            raise BadRequest(400)
        method, target, version = words
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise BadRequest(505 if version.startswith("HTTP/") else 400)
        self.is_head = method == "HEAD"
        self.keeps_alive = version == "HTTP/1.1"
        self.body_length = 0
        self.delay_seconds = 0
        path, _, query = target.partition("?")
        slow = re.fullmatch(r"ms=([0-9]{1,9})", query)
        if method not in ("GET", "HEAD"):
            self.status = 405
        elif path == "/slow":
            self.status = 200 if slow else 400
            self.delay_seconds = min(int(slow[1]), DELAY_MS_MAX) / 1000 if slow else 0
        else:
            self.status = 200 if path == "/" else 404

    def obey(self, line):
        name, colon, value = line.partition(":")
        if not colon or not name or " " in name:
            raise BadRequest(400)
        name, value = name.lower(), value.strip().lower()
        if name == "connection":
            words = [word.strip() for word in value.split(",")]
            self.keeps_alive = "close" not in words and (self.keeps_alive or "keep-alive" in words)
        elif name == "transfer-encoding":
            raise BadRequest(501)
        elif name == "content-length":
            if not re.fullmatch(r"[0-9]{1,18}", value):
                raise BadRequest(400)
            self.body_length = int(value)
            if self.body_length > BODY_BYTES_MAX:
                raise BadRequest(413)


class Connection(asyncio.Protocol):
    """Reads requests, one after the other, and writes their answers in order."""

    def __init__(self, worker):
        self.worker = worker
        self.transport = None
        self.starting = None  # the loop itself holds its tasks only weakly
        self.received = bytearray()
        self.is_busy = False  # answers later (/slow)
        self.has_closed = False  # the last response is written
        self.input_has_ended = False
        self.is_writable = True
        self.timer = None

    def connection_made(self, transport):
        self.transport = transport
        self.wait()

    def data_received(self, data):
        if not self.has_closed:
            self.received += data
            self.serve()

    def eof_received(self):
        self.input_has_ended = True
        self.serve()
        return True  # closing is up to serve(): an answer may be under way

    def pause_writing(self):
        self.is_writable = False

    def resume_writing(self):
        self.is_writable = True
        self.serve()

    def connection_lost(self, _error):
        self.stop_timer()
        self.has_closed = True
        self.worker.connection_ended(self)

    def serve(self):
        """Answers what is there to be answered."""
        while not self.is_busy and not self.has_closed and self.is_writable:
            try:
                request = Request.take(self.received)
            except BadRequest as error:
                self.write(error.status, sends_body=True, closes=True)
                return
            if request is None:
                break
            if request.delay_seconds:
                self.is_busy = True
                self.stop_timer()
                self.timer = self.worker.loop.call_later(request.delay_seconds, self.answer_late, request)
            else:
                self.answer(request)
        if self.is_busy:
            return
        if self.input_has_ended and (self.is_writable or self.has_closed):
            self.transport.close()  # after what is still to be written
        elif not self.has_closed:
            self.wait()

    def answer_late(self, request):
        self.is_busy = False
        self.answer(request)
        self.serve()

    def answer(self, request):
        # What the client had sent before it could know of a close is answered too.
        drains = self.worker.is_draining and not self.received
        self.write(request.status, sends_body=not request.is_head, closes=drains or not request.keeps_alive)

    def write(self, status, sends_body, closes):
        body = self.worker.identity if status == 200 else f"{status} {REASONS[status]}\n"
        allow = "Allow: GET, HEAD\r\n" if status == 405 else ""
        connection = "close" if closes else "keep-alive"
        self.transport.write(
            f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
            f"{allow}Connection: {connection}\r\n\r\n{body if sends_body else ''}".encode()
        )
        if closes:
            self.close_own_side()

    def close_own_side(self):
        """The client closes then. To close both sides with unread bytes would reset the connection, and the client
        could lose an answer that it hasn't read yet."""
        self.has_closed = True
        self.received.clear()
        self.stop_timer()
        self.transport.write_eof()
        self.timer = self.worker.loop.call_later(LINGERING_SECONDS, self.transport.abort)

    def wait(self):
        """Gives the client its time for the next request, or for the rest of one."""
        self.stop_timer()
        if self.received:
            self.timer = self.worker.loop.call_later(STALLED_SECONDS, self.transport.abort)
        else:
            seconds = self.worker.drain_idle_seconds if self.worker.is_draining else IDLE_SECONDS
            self.timer = self.worker.loop.call_later(seconds, self.close_idle)

    def close_idle(self):
        # Timers come after the sockets in a turn of the loop: had a request arrived, this timer would be gone.
        self.close_own_side()

    def drain(self):
        if self.transport is not None and not self.is_busy and not self.has_closed and not self.received:
            self.wait()

    def stop_timer(self):
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Supervisor:
    """The ready pipe of reloaderd(8), and its watchdog (sd_watchdog_enabled(3)). By hand there is nobody to tell."""

    def __init__(self):
        self.descriptor = take_number("READY_FD")
        microseconds = take_number("WATCHDOG_USEC")
        self.ping_seconds = microseconds / 2_000_000 if microseconds and self.descriptor is not None else None
        if self.descriptor is not None:
            os.set_inheritable(self.descriptor, False)

    def tell(self, message):
        if self.descriptor is None:
            return
        try:
            os.write(self.descriptor, f"{message}\n".encode())
        except OSError as error:
            # Serving matters more than telling.
            print(f"worker.py: cannot tell the supervisor {message}: {error}", file=sys.stderr)


class Worker:
    """The listeners, the connections, and the drain."""

    def __init__(self, loop):
        self.loop = loop
        self.supervisor = Supervisor()
        self.listeners = inherited_listeners() or [own_listener()]
        self.connections = set()
        self.is_draining = False
        self.has_ended = loop.create_future()
        drain_idle_ms = take_number("DRAIN_IDLE_MS")
        self.drain_idle_seconds = (5000 if drain_idle_ms is None else drain_idle_ms) / 1000
        slot = os.environ.get("RELOADERD_SLOT", "0")
        generation = os.environ.get("RELOADERD_GENERATION", "0")
        self.identity = f"slot={slot} generation={generation} pid={os.getpid()}\n"

    async def run(self):
        self.loop.add_signal_handler(signal.SIGTERM, self.drain)
        for listener in self.listeners:
            listener.setblocking(False)
            self.loop.add_reader(listener, self.accept, listener, ACCEPTS_PER_TURN)
        self.supervisor.tell("READY=1")
        self.ping()
        await self.has_ended

    def accept(self, listener, limit):
        for _ in range(limit):
            try:
                connected, _ = listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM) and not self.is_draining:
                    # The connection stays in the queue, for another worker or until one here ends.
                    self.loop.remove_reader(listener)
                    self.loop.call_later(0.1, self.accept_again, listener)
                elif error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                    sys.exit(f"worker.py: cannot accept from listener {listener.fileno()}: {error.strerror}")
                # Else the queue is empty, another worker was faster, or that one connection is gone.
                return
            connected.setblocking(False)
            connection = Connection(self)
            self.connections.add(connection)
            connection.starting = self.loop.create_task(self.start(connection, connected))

    async def start(self, connection, connected):
        try:
            await self.loop.connect_accepted_socket(lambda: connection, connected)
        except OSError:
            self.connection_ended(connection)

    def accept_again(self, listener):
        if not self.is_draining:
            self.loop.add_reader(listener, self.accept, listener, ACCEPTS_PER_TURN)

    def drain(self):
        if self.is_draining:
            return
        self.is_draining = True
        self.supervisor.tell("STOPPING=1")
        for listener in self.listeners:
            self.loop.remove_reader(listener)
            self.accept(listener, ACCEPTS_AT_DRAIN)
            listener.close()  # never shutdown(): that would close the listener for all workers
        for connection in self.connections:
            connection.drain()
        self.end_when_drained()

    def connection_ended(self, connection):
        self.connections.discard(connection)
        self.end_when_drained()

    def end_when_drained(self):
        if self.is_draining and not self.connections and not self.has_ended.done():
            self.has_ended.set_result(None)

    def ping(self):
        if self.supervisor.ping_seconds is not None:
            self.supervisor.tell("WATCHDOG=1")
            self.loop.call_later(self.supervisor.ping_seconds, self.ping)


def take_number(name):
    """Most variables here are about this one process: children must not see them."""
    value = os.environ.pop(name, None)
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", value):
        sys.exit(f"worker.py: {name}={value}: expected a number")
    return int(value)


def inherited_listeners():
    """sd_listen_fds(3): descriptors from 3 on, when they are meant for this process."""
    owner, count = take_number("LISTEN_PID"), take_number("LISTEN_FDS")
    os.environ.pop("LISTEN_FDNAMES", None)
    os.environ.pop("LISTEN_PIDFDID", None)
    if owner is None or not count:
        return []
    if owner != os.getpid():
        sys.exit(f"worker.py: the listeners are for process {owner}, this is {os.getpid()} (start it with exec)")
    sockets = [socket.socket(fileno=descriptor) for descriptor in range(3, 3 + count)]
    for inherited in sockets:
        inherited.set_inheritable(False)
    return [one for one in sockets if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]


def own_listener():
    text = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PORT", "8080")
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        sys.exit(f"worker.py: port {text}: expected a number from 0 to 65535")
    try:
        listener = socket.create_server(("127.0.0.1", int(text)), backlog=4096)
    except OSError as error:
        sys.exit(f"worker.py: cannot listen on 127.0.0.1:{text}: {error.strerror}")
    print(f"worker.py: listening on 127.0.0.1:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
    return listener


async def main():
    await Worker(asyncio.get_running_loop()).run()


if __name__ == "__main__":
    asyncio.run(main())
