"""http.server.ThreadingHTTPServer, HTTP/1.1. Answers what shapes.py asks for; /gate?PATH answers when a line can be
read from the FIFO at PATH."""
import http.server, os, sys, time, urllib.parse

WHO = (f"slot={os.environ['RELOADERD_SLOT']} generation={os.environ['RELOADERD_GENERATION']} "
       f"pid={os.getpid()}\n").encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/gate":
            with open(query) as gate: gate.readline()
            return self.answer(WHO)
        values = {name: int(value) for name, value in urllib.parse.parse_qsl(query)}
        if path == "/stream": return self.stream(values["n"], values["pause"] / 1000)
        if path == "/sleep": time.sleep(values["ms"] / 1000)
        self.answer(WHO)

    def do_POST(self):
        self.answer(b"%d\n" % len(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, body):
        self.head("Content-Length", str(len(body)))
        self.wfile.write(body)

    def stream(self, count, pause):
        self.head("Transfer-Encoding", "chunked")
        for number in range(count):
            if number: time.sleep(pause)
            self.wfile.write(b"6\r\nchunk\n\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def head(self, name, value):
        self.send_response(200)
        self.send_header(name, value)
        if self.close_connection: self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_): pass


http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
