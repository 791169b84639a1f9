"""For gunicorn: its own worker process answers, with its master's pid, which is the one in the slot. Answers what
shapes.py asks for."""
import os, time, urllib.parse

WHO = (f"slot={os.environ['RELOADERD_SLOT']} generation={os.environ['RELOADERD_GENERATION']} "
       f"pid={os.getppid()}\n").encode()


def app(environ, start_response):
    path = environ["PATH_INFO"]
    query = {name: int(value) for name, value in urllib.parse.parse_qsl(environ["QUERY_STRING"])}
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return stream(query["n"], query["pause"] / 1000)
    if path == "/sleep": time.sleep(query["ms"] / 1000)
    body = f"{len(environ['wsgi.input'].read())}\n".encode() if path == "/upload" else WHO
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def stream(count, pause):
    for left in reversed(range(count)):
        yield b"chunk\n"
        if left: time.sleep(pause)
