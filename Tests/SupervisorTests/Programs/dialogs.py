"""Servers that speak in lines, and WebSocket: dialogs.py PORT [smtp]. With smtp it speaks first.

SMTP       EHLO; DATA up to a dot; WAIT PATH answers when a line can be read from the FIFO at PATH
Redis      PING; BLPOP PATH answers when a line can be read there; SUBSCRIBE PATH sends a message for each
WebSocket  GET; then sends back each text, but "silence"
"""
import base64, hashlib, re, socketserver, sys

greets = sys.argv[2:] == ["smtp"]


def line_from(path):
    with open(path) as gate: return gate.readline()


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        if greets: self.say("220 ready")
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            if word == "GET": return self.websocket()
            getattr(self, word)(rest)

    def say(self, text): self.wfile.write(text.encode() + b"\r\n")

    def EHLO(self, _): self.say("250 hello")

    def DATA(self, _):
        self.say("354 go on")
        while self.rfile.readline().strip() not in (b".", b""): pass
        self.say("250 taken")

    def WAIT(self, path):
        line_from(path)
        self.say("250 waited")

    def PING(self, _): self.say("+PONG")

    def BLPOP(self, path):
        line_from(path)
        self.say("+popped")

    def SUBSCRIBE(self, path):
        self.say("+subscribed")
        while True:
            line_from(path)
            self.say("+news")

    def websocket(self):
        key = b""
        while (line := self.rfile.readline().strip()):
            if found := re.match(rb"Sec-WebSocket-Key: (.*)", line): key = found[1]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.wfile.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        # Short texts, masked with zeros.
        while head := self.rfile.read(6):
            text = self.rfile.read(head[1] & 0x7F)
            if text != b"silence": self.wfile.write(bytes([0x81, len(text)]) + text)


class Server(socketserver.ThreadingTCPServer): daemon_threads = allow_reuse_address = True


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
