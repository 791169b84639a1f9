#!/usr/bin/python3
"""Prints the rows of RecordedConnection.swift. Run it as root: the last rows need a network namespace.

Starts real servers, brings a connection of each into a situation, and prints what the kernel says about it: a name,
what a drain must find, and the fields of ConnectionFacts in their order. Needs node, go, nginx, redis-server, and
uvicorn, aiohttp, grpcio and websockets for /usr/bin/python3."""
import fcntl, os, signal, socket, ssl, struct, subprocess, sys, tempfile, termios, time

folder = tempfile.mkdtemp()
GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
NODE = """
const serve = (q, r) => {
  if (q.url == "/slow") return setTimeout(() => r.end("done"), 60000);
  if (q.url == "/stream") {
    let n = 0;
    const t = setInterval(() => r.write("token " + n++), 150);
    return q.on("close", () => clearInterval(t));
  }
  if (q.url == "/pause") { r.write("first"); return; }
  if (q.url == "/large") return r.end(Buffer.alloc(8 << 20));
  q.resume().on("end", () => r.end("done"));
};"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s: return s.getsockname()[1]


class Server:
    def __init__(self, words):
        self.port = free_port()
        words = [w.replace("PORT", str(self.port)) for w in words]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
        for _ in range(300):
            try: return self.connect().close()
            except OSError: time.sleep(0.05)
        sys.exit(f"does not listen: {words}")

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def pids(self):
        found = [self.process.pid]
        for pid in found:
            for task in os.listdir(f"/proc/{pid}/task"):
                found += map(int, open(f"/proc/{pid}/task/{task}/children").read().split())
        return found

    def sockets(self):
        """Copies of the connections of all its processes."""
        for pid in self.pids():
            handle = os.pidfd_open(pid)
            for name in os.listdir(f"/proc/{pid}/fd"):
                try:
                    if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"): continue
                    s = socket.socket(fileno=take(handle, int(name)))
                except OSError: continue
                if s.family in (socket.AF_INET, socket.AF_INET6) and s.type == socket.SOCK_STREAM:
                    listens = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 10
                    if s.getsockname()[1] == self.port and not listens: yield s
            os.close(handle)


def take(handle, number):
    import ctypes
    copy = ctypes.CDLL(None).syscall(438, handle, number, 0)  # pidfd_getfd
    if copy < 0: raise OSError
    return copy


def facts(s):
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    words, received = struct.unpack_from("<24I", info, 8), struct.unpack_from("<Q", info, 128)[0]
    segments_out, segments_in, unsent, _, data_in, data_out = struct.unpack_from("<6I", info, 136)
    sent, again = struct.unpack_from("<2Q", info, 200)
    unread = struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, bytes(4)))[0]
    side = {1: "open", 8: "endedByClient"}.get(info[0], "endedByWorker")
    return [
        side, received, unread, sent - again, unsent, words[4], words[9], words[11], words[12], words[15] // 1000,
        words[1] // 1000, segments_in, segments_out, data_in, data_out,
        s.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)]


def record(name, wanted, server, situation, after=0.6, dials=lambda s: s):
    """Prints one row; a situation within one tick of the kernel, as its name says then, may need several tries."""
    for _ in range(50):
        old = {s.getpeername() for s in server.sockets() if is_connected(s)}
        client = dials(server.connect())
        held = situation(client, server)
        time.sleep(after)
        found = [facts(s) for s in server.sockets() if is_connected(s) and s.getpeername() not in old]
        server.process.send_signal(signal.SIGCONT)
        client.close()
        if hasattr(held, "close"): held.close()
        time.sleep(0.2)
        def missed(row): return len({*row[6:8]}) > 1 or wanted == "undecided" and after < 1 and row[8] != row[7]
        if "tick" in name and any(map(missed, found)): continue
        for row in found:
            words = " ".join(map(str, row))
            # As in the table, whose lines have at most 120 columns.
            fits = len(f"{name} | {wanted} | {words}") <= 112
            print(f"{name} | {wanted} |", words, sep=" " if fits else "\\\n    ", flush=True)
        return


def is_connected(s):
    try: return bool(s.getpeername())
    except OSError: return False


def once(s, path=b"/"):
    s.sendall(GET % path)
    return s.recv(65536)


def think(s, _):
    for _ in range(5):
        once(s)
        time.sleep(0.1)


def back_to_back(s, _):
    for _ in range(5): once(s)


def posts(s, _):
    for _ in range(4):
        s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
        s.sendall(b"body")
        s.recv(65536)
        time.sleep(0.1)


def asked(path): return lambda s, _: s.sendall(GET % path)


def at_once(turns, *parts):
    def situation(s, _):
        for _ in range(turns): once(s)
        for part in parts: s.sendall(part)
    return situation


def upload(s, _): s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + bytes(3000))


def continued(s, _):
    s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\nExpect: 100-continue\r\n\r\n")
    s.recv(65536)
    time.sleep(0.1)
    s.sendall(bytes(3000))


def half_closed(s, _):
    s.sendall(GET % b"/slow")
    s.shutdown(socket.SHUT_WR)


def stopped(s, server):
    once(s)
    server.process.send_signal(signal.SIGSTOP)
    s.sendall(GET % b"/")


def pipelined(s, _): s.sendall(GET % b"/" + GET % b"/slow")


def later(body, seconds):
    def situation(s, server):
        held = body(s, server)
        time.sleep(seconds)
        return held
    return situation


def node(extra="require('http').createServer(serve)"):
    return Server(["node", "-e", NODE + extra + ".listen(PORT, '127.0.0.1')"])


def plain(name, server, slow=None):
    """`slow` must be the last: it goes on."""
    record(f"{name}: answered once", "answered", server, lambda s, _: once(s))
    record(f"{name}: five answers, 100 ms of thought before each question", "answered", server, think)
    record(f"{name}: five answers, each question at once", "answered", server, back_to_back)
    record(f"{name}: a connection that was never used", "unused", server, lambda s, _: None)
    if slow: record(f"{name}: the first request is in work", "unanswered", server, asked(slow))


def http1():
    server = node()
    plain("node", server, b"/slow")
    record("node: a second request in the tick of the first answer, in work", "undecided", server,
           at_once(1, GET % b"/slow"))
    record("node: a sixth request in the tick of the fifth answer, in work", "undecided", server,
           at_once(5, GET % b"/slow"))
    post = [b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n", b"body"]
    record("node: a second request in the tick of the first answer, in two segments, in work", "undecided", server,
           at_once(1, *post))
    record("node: a sixth request in the tick of the fifth answer, in two segments, in work", "undecided", server,
           at_once(5, *post))
    record("node: four answers to requests in two segments each, in their ticks", "undecided", server, posts)
    record("node: an upload pauses", "unanswered", server, upload)
    record("node: an upload pauses after 100 Continue", "unanswered", server, continued)
    record("node: an answer pauses after its first bytes", "answered", server, asked(b"/pause"), 2.5)
    record("node: tokens, 150 ms from one to the next", "streams", server, asked(b"/stream"), 3.1)
    record("node: an answer that the client does not read", "sending", server, asked(b"/large"))
    record("node: stopped, with a request in its buffer", "unread", server, stopped)
    record("node: two requests sent ahead, the second in work: as if there were one", "answered", server, pipelined)
    server = Server(["/usr/bin/python3", "-c", """
import http.server
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow": __import__("time").sleep(60)
        self.send_response(200); self.send_header("Content-Length", "4"); self.end_headers(); self.wfile.write(b"done")
http.server.ThreadingHTTPServer(("127.0.0.1", PORT), H).serve_forever()"""])
    plain("Python, threads", server, b"/slow")
    record("Python, threads: a half-closed client waits", "endedByClient", server, half_closed)
    open(f"{folder}/app.py", "w").write("""
import asyncio
async def app(scope, receive, send):
    if scope["type"] != "http": return
    if scope["path"] == "/slow": await asyncio.sleep(60)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"done"})""")
    plain("uvicorn", Server(["/usr/bin/python3", "-m", "uvicorn", "--port", "PORT", "app:app"]), b"/slow")
    open(f"{folder}/aio.py", "w").write("""
import asyncio, sys
from aiohttp import web
async def answer(request):
    if request.path == "/slow": await asyncio.sleep(60)
    return web.Response(text="done")
app = web.Application(); app.router.add_get("/{path:.*}", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))""")
    plain("aiohttp", Server(["/usr/bin/python3", "aio.py", "PORT"]), b"/slow")


def go():
    open(f"{folder}/server.go", "w").write("""package main
import ("net/http"; "os"; "time")
func main() {
  http.ListenAndServe("127.0.0.1:" + os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
    if r.URL.Path == "/slow" { time.Sleep(time.Minute) }
    w.Write([]byte("done")) })) }""")
    surroundings = {**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "0", "GOCACHE": f"{folder}/cache"}
    subprocess.run(["go", "build", "-o", f"{folder}/server", f"{folder}/server.go"], env=surroundings, check=True)
    server = Server([f"{folder}/server", "PORT"])
    plain("Go", server, b"/slow")
    server = Server([f"{folder}/server", "PORT"])  # the slow request is still being answered
    record("Go: answered once, and probed after 15 s", "answered", server, lambda s, _: once(s), 17)
    record("Go: a second request in the tick of the first answer, in work, and probed after 15 s", "undecided", server,
           at_once(1, GET % b"/slow"), 17)


def nginx(listens=""):
    open(f"{folder}/nginx.conf", "w").write(f"""daemon off; pid {folder}/pid; error_log stderr; events {{ }}
http {{ access_log off;
client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
server {{ listen 127.0.0.1:PORT {listens}; location / {{ return 200 "done"; }} }} }}""")
    conf = open(f"{folder}/nginx.conf").read()
    port = free_port()
    open(f"{folder}/nginx.conf", "w").write(conf.replace("PORT", str(port)))
    real, globals()["free_port"] = free_port, lambda: port
    server = Server(["nginx", "-p", folder, "-e", "stderr", "-c", f"{folder}/nginx.conf"])
    globals()["free_port"] = real
    return server


def http2():
    """A client of node asks once; it says so, and stays."""
    client = """
const s = require("http2").connect("http://127.0.0.1:" + process.argv[1]);
const ask = (path, then) => { const q = s.request({":path": path}); q.on("data", () => {}).on("end", then); };
ask("/", () => {
  if (process.argv[2]) ask(process.argv[2], () => {});
  setTimeout(() => console.log("asked"), 200);
});"""

    def session(*words):
        def situation(s, server):
            s.close()
            process = subprocess.Popen(["node", "-e", client, str(server.port), *words], stdout=subprocess.PIPE)
            process.stdout.readline()
            process.close = lambda: (process.kill(), process.wait())
            return process
        return situation

    server = node("require('http2').createServer(serve)")
    record("HTTP/2, node: a session at rest, whose client has acknowledged the settings", "unanswered", server,
           session())
    record("HTTP/2, node: a stream in work", "unanswered", server, session("/slow"))
    server = nginx("http2")
    record("HTTP/2, nginx: a session at rest", "unanswered", server, session())


def grpc():
    open(f"{folder}/rpc.py", "w").write("""
import concurrent.futures, grpc, sys, time
def call(request, context):
    if request: time.sleep(60)
    return b""
server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
handler = grpc.unary_unary_rpc_method_handler(call)
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("T", {"C": handler})])
server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start(); server.wait_for_termination()""")
    open(f"{folder}/ask.py", "w").write("""
import grpc, sys, time
call = grpc.insecure_channel("127.0.0.1:" + sys.argv[1]).unary_unary("/T/C")
call(b"")
if len(sys.argv) > 2: call.future(b"slow")
time.sleep(0.3); print("asked", flush=True); time.sleep(60)""")

    def channel(*words):
        def situation(s, server):
            s.close()
            process = subprocess.Popen(
                ["/usr/bin/python3", f"{folder}/ask.py", str(server.port), *words], stdout=subprocess.PIPE)
            process.stdout.readline()
            process.close = lambda: (process.kill(), process.wait())
            return process
        return situation

    server = Server(["/usr/bin/python3", "rpc.py", "PORT"])
    record("gRPC: a channel at rest", "answered", server, channel())
    record("gRPC: a call in work", "unanswered", server, channel("slow"))


def websocket():
    open(f"{folder}/ws.py", "w").write("""
import asyncio, sys, websockets
async def echo(s):
    async for text in s:
        if text != "silence": await s.send(text)
async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), ping_interval=None): await asyncio.Future()
asyncio.run(main())""")

    def talk(*texts):
        def situation(s, _):
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
            s.recv(65536)
            for text in texts:
                time.sleep(0.1)
                s.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
                if text != b"silence": s.recv(65536)
        return situation

    server = Server(["/usr/bin/python3", "ws.py", "PORT"])
    record("WebSocket: open and silent", "answered", server, talk())
    record("WebSocket: silent after the server's message", "answered", server, talk(b"hello"))
    record("WebSocket: silent after the client's message", "unanswered", server, talk(b"hello", b"silence"))


def dialogs():
    server = Server(["/usr/bin/python3", "-c", """
import socketserver, time
class H(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 ready\\r\\n")
        for line in self.rfile:
            if line.startswith(b"DATA"): self.wfile.write(b"354 go on\\r\\n")
            elif line.startswith(b"SLOW"): time.sleep(60)
            elif line[:4].isupper(): self.wfile.write(b"250 ok\\r\\n")
class S(socketserver.ThreadingTCPServer): daemon_threads = True
S(("127.0.0.1", PORT), H).serve_forever()"""])

    def say(*lines):
        def situation(s, _):
            s.recv(100)
            for number, line in enumerate(lines):
                if number: time.sleep(0.1)
                s.sendall(line + b"\r\n")
                if line[:4].isupper() and line != b"SLOW": s.recv(100)
        return situation

    record("SMTP: the server has greeted", "answered", server, say())
    record("SMTP: the client's greeting, in the tick of the server's, is in work", "undecided", server, say(b"SLOW"))
    record("SMTP: greeted, and the answer to EHLO is there", "answered", server, say(b"EHLO me"))
    record("SMTP: the client pauses in its message", "unanswered", server,
           later(say(b"EHLO me", b"DATA", b"text"), 0.1))
    server = Server(["redis-server", "--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--tcp-keepalive", "0"])

    def redis(*words):
        def situation(s, _):
            for number, word in enumerate(words):
                if number: time.sleep(0.1)
                s.sendall(word + b"\r\n")
                if not word.startswith(b"BLPOP"): s.recv(100)
        return situation

    record("Redis: PING answered", "answered", server, redis(b"PING"))
    record("Redis: waits in BLPOP", "unanswered", server, redis(b"PING", b"BLPOP list 0"))
    record("Redis: subscribed", "answered", server, redis(b"PING", b"SUBSCRIBE news"))


def tls():
    subprocess.run(
        ["openssl", *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(),
         *"-keyout k.pem -out c.pem -subj /CN=x".split()],
        cwd=folder, stderr=subprocess.DEVNULL, check=True)
    files = "key: require('fs').readFileSync('k.pem'), cert: require('fs').readFileSync('c.pem')"
    server = node(f"require('https').createServer({{{files}}}, serve)")
    context = ssl._create_unverified_context()
    record("TLS, node: hands shaken, nothing asked", "answered", server, lambda s, _: None, dials=context.wrap_socket)
    record("TLS, node: answered once", "answered", server, lambda s, _: once(s), dials=context.wrap_socket)
    record("TLS, node: five answers in their ticks, 100 ms of thought before each question", "undecided", server, think,
           dials=context.wrap_socket)
    record("TLS, node: the first request is in work", "unanswered", server,
           later(lambda s, _: (time.sleep(0.1), s.sendall(GET % b"/slow")), 0.1), dials=context.wrap_socket)


def older_kernel():
    """Before Linux 6.7 three answers in a row and not one made a connection take to answering soon."""
    server = node()
    record("node, Linux 5.10: answered once in its tick", "undecided", server, lambda s, _: once(s))
    record("node, Linux 5.10: five answers in their ticks, 100 ms of thought before each question", "undecided", server,
           think)
    record("node, Linux 5.10: five answers, each question at once", "answered", server, back_to_back)
    post = [b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n", b"body"]
    record("node, Linux 5.10: a sixth request in the tick of the fifth answer, in two segments, in work",
           "undecided", server, at_once(5, *post))


if __name__ == "__main__":
    if sys.argv[1:] == ["older"]: older_kernel()
    else:
        http1()
        go()
        plain("nginx", nginx())
        for part in (http2, grpc, websocket, dialogs, tls): part()
        older = f"ip link set lo up; sysctl -qw net.ipv4.tcp_pingpong_thresh=3; exec '{sys.argv[0]}' older"
        subprocess.run(["unshare", "-n", "sh", "-c", older])
    children = [f"/proc/self/task/{task}/children" for task in os.listdir("/proc/self/task")]
    for pid in [int(child) for path in children for child in open(path).read().split()]:
        os.kill(pid, signal.SIGKILL)
