"""TLS: tls.py serve PORT FOLDER, an HTTPS server with a key of its own in FOLDER, which answers /gate?PATH when a line
can be read from the FIFO at PATH; and tls.py ask PORT, a client of one connection, which asks for each path that it
reads, and prints the status of each answer, "reset" or, at the end of the connection, "closed"."""
import http.server, os, select, socket, ssl, subprocess, sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/gate?"):
            with open(self.path[6:]) as gate: gate.readline()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")

    def log_message(self, *_): pass


def serve(port, folder):
    files = [f"{folder}/key-{os.getpid()}", f"{folder}/certificate-{os.getpid()}"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(
        ["openssl", "req", "-x509", *curve, "-nodes", "-keyout", files[0], "-out", files[1], "-subj", "/CN=localhost"],
        check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


def ask(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", int(port))))
    poll = select.poll()
    for descriptor in (0, connection.fileno()): poll.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == 0:
                path = os.read(0, 4096).decode().strip()
                if not path: return
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                continue
            try: answer = connection.recv(4096)
            except ssl.SSLWantReadError: continue
            except ssl.SSLEOFError: answer = b""
            except ConnectionError: return print("reset", flush=True)
            if not answer: return print("closed", flush=True)
            print(answer.split()[1].decode(), flush=True)


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
