"""http.server.ThreadingHTTPServer, HTTP/1.1. /gate?PATH answers when a line can be read from the FIFO at PATH."""
import http.server, os, sys

BODY = f"slot={os.environ['RELOADERD_SLOT']} generation={os.environ['RELOADERD_GENERATION']} pid={os.getpid()}\n".encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/gate?"):
            with open(self.path[6:]) as gate: gate.readline()
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        if self.close_connection: self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_): pass


http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
