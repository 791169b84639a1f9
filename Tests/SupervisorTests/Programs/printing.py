"""Serves on descriptor 3, or on the port that it is told, a thread a connection, and writes a line for each answer. On
SIGTERM it accepts no more, and ends when all is answered; a port of its own is taken from it before that.
printing.py MARK [PORT]; the mark is for whoever looks for the process."""
import os, select, signal, socket, sys, threading

body = f"slot={os.environ['RELOADERD_SLOT']} generation={os.environ['RELOADERD_GENERATION']} pid={os.getpid()}\n"
answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
threads = set()


def serve(connection):
    with connection:
        connection.recv(65536)
        os.write(1, f"words of {os.getpid()}\n".encode())
        connection.sendall(answer)
    threads.discard(threading.current_thread())


if len(sys.argv) > 2:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=1024)
else:
    listener = socket.socket(fileno=3)
listener.setblocking(False)
stop, wake = os.pipe()
signal.signal(signal.SIGTERM, lambda *_: os.write(wake, b"x"))
if len(sys.argv) <= 2: os.write(int(os.environ["READY_FD"]), b"READY=1\n")
while stop not in select.select([listener, stop], [], [])[0]:
    try:
        connection, _ = listener.accept()
    except BlockingIOError:  # another worker was faster
        continue
    connection.setblocking(True)
    thread = threading.Thread(target=serve, args=(connection,))
    threads.add(thread)
    thread.start()
listener.close()
for thread in list(threads): thread.join()
