"""Serves on descriptor 3, a thread a connection; /gate?PATH answers when a line can be read from the FIFO at PATH. On
SIGTERM closes its listener, says so, and ends when all is answered."""
import os, signal, socket, threading

listener = socket.socket(fileno=3)
body = f"slot={os.environ['RELOADERD_SLOT']} generation={os.environ['RELOADERD_GENERATION']} pid={os.getpid()}\n"
threads, stop = [], socket.socketpair()


def serve(connection):
    with connection:
        path = connection.recv(65536).split(b" ")[1].decode()
        if path.startswith("/gate?"):
            with open(path[6:]) as gate: gate.readline()
        connection.sendall(
            f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())


def finish(*_):
    listener.close()
    os.write(2, b"closed its listener\n")
    for thread in threads: thread.join()
    os._exit(0)


signal.signal(signal.SIGTERM, finish)
os.write(int(os.environ["READY_FD"]), b"READY=1\n")
while True:
    thread = threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True)
    threads.append(thread)
    thread.start()
