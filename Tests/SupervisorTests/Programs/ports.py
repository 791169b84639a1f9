"""Binds in many ways, then serves all that listens; each word is one of them, carried out in order.

tcp4 PORT      127.0.0.1:PORT                     any4 PORT     0.0.0.0:PORT
tcp6 PORT      [::1]:PORT                         any6 PORT     [::]:PORT, IPv6 only
dual PORT      [::]:PORT, IPv4 as well            twice PORT    like tcp4, then once more: must be refused
again PORT     like tcp4, closed, once more       shut PORT     like tcp4, shut down, once more
zero           port 0: says which port it got     udp PORT      127.0.0.1:PORT, answers datagrams
unix PATH      a unix socket at PATH              own PORT N    N sockets with SO_REUSEPORT on 127.0.0.1:PORT
say TEXT       TEXT to stderr                     call PORT     connects to it from a port that was bound, closes
probe PORT     like tcp4, closed at once          random        a port by chance, bound as such: says which
brief N        N times like probe, on ports by chance           many PORT N   N like tcp4, from PORT on
fail-from N    exits with 3 in generation N and later           close FIFO    closes all so far when a line can be read
"""
import os, selectors, socket, sys, threading

words = iter(sys.argv[1:])
WHO = f"slot={os.environ['RELOADERD_SLOT']} generation={os.environ['RELOADERD_GENERATION']} pid={os.getpid()}"
selector = selectors.DefaultSelector()


def say(text): os.write(2, f"{text} {WHO}\n".encode())


def bound(family, address, *options):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for level, name, value in options: s.setsockopt(level, name, value)
    s.bind(address)
    return s


def serve(s):
    s.listen(128)
    s.setblocking(False)
    selector.register(s, selectors.EVENT_READ)
    return s


def by_chance():
    with socket.create_server(("127.0.0.1", 0)) as s: return s.getsockname()[1]


def probe(port):
    with bound(socket.AF_INET, ("127.0.0.1", port)) as s: s.listen(1)


def close_when_told(path, keys):
    with open(path) as fifo: fifo.readline()
    for key in keys:
        selector.unregister(key.fileobj)
        key.fileobj.close()
    say("closed")


def tcp4(): return serve(bound(socket.AF_INET, ("127.0.0.1", int(port))))


for word in words:
    if word not in ("zero", "random"): port = next(words)
    if word == "tcp4": tcp4()
    elif word == "any4": serve(bound(socket.AF_INET, ("0.0.0.0", int(port))))
    elif word == "tcp6": serve(bound(socket.AF_INET6, ("::1", int(port))))
    elif word in ("any6", "dual"):
        serve(bound(socket.AF_INET6, ("::", int(port)), (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, word == "any6")))
    elif word == "twice":
        tcp4()
        try: tcp4()
        except OSError as error: say(f"refused {os.strerror(error.errno)}")
        else: say("not refused")
    elif word == "again":
        bound(socket.AF_INET, ("127.0.0.1", int(port))).close()
        first = tcp4()
        selector.unregister(first)
        first.close()
        tcp4()
    elif word == "shut":
        first = tcp4()
        selector.unregister(first)
        first.shutdown(socket.SHUT_RDWR)
        first.close()
        tcp4()
    elif word == "zero": say(f"zero {serve(bound(socket.AF_INET, ('127.0.0.1', 0))).getsockname()[1]}")
    elif word == "random":
        port = by_chance()
        tcp4()
        say(f"random {port}")
    elif word == "probe": probe(int(port))
    elif word == "brief":
        for _ in range(int(port)): probe(by_chance())
    elif word == "many":
        first = int(port)
        for port in range(first, first + int(next(words))): tcp4()
    elif word == "call":
        with bound(socket.AF_INET, ("127.0.0.1", by_chance())) as s: s.connect(("127.0.0.1", int(port)))
    elif word == "fail-from":
        if int(os.environ["RELOADERD_GENERATION"]) >= int(port): sys.exit(3)
    elif word == "close":
        threading.Thread(target=close_when_told, args=(port, list(selector.get_map().values())), daemon=True).start()
    elif word == "unix":
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try: s.bind(port)
        except OSError as error: say(f"refused {os.strerror(error.errno)}")
        else: serve(s)
    elif word == "udp":
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try: s.bind(("127.0.0.1", int(port)))
        except OSError as error: say(f"refused {os.strerror(error.errno)}")
        else: selector.register(s, selectors.EVENT_READ)
    elif word == "own":
        for _ in range(int(next(words))):
            serve(bound(socket.AF_INET, ("127.0.0.1", int(port)), (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)))
    elif word == "say": say(port)
    else: sys.exit(f"no such word: {word}")

while True:
    for key, _ in selector.select():
        if key.fileobj.type == socket.SOCK_DGRAM:
            _, peer = key.fileobj.recvfrom(100)
            key.fileobj.sendto(WHO.encode(), peer)
            continue
        try: connection, _ = key.fileobj.accept()
        except OSError: continue
        with connection:
            connection.setblocking(True)
            if connection.recv(65536):
                body = WHO + "\n"
                connection.sendall(
                    f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
