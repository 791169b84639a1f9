"""For uvicorn, hypercorn and granian. Answers what shapes.py asks for."""
import asyncio, os, urllib.parse

WHO = (f"slot={os.environ['RELOADERD_SLOT']} generation={os.environ['RELOADERD_GENERATION']} "
       f"pid={os.getpid()}\n").encode()


async def app(scope, receive, send):
    if scope["type"] == "lifespan": return await live(receive, send)
    query = {name: int(value) for name, value in urllib.parse.parse_qsl(scope["query_string"].decode())}
    count = await received(receive)  # all of it, always: hypercorn closes connections whose request was not read
    if scope["path"] == "/stream": return await stream(send, query["n"], query["pause"] / 1000)
    if scope["path"] == "/sleep": await asyncio.sleep(query["ms"] / 1000)
    body = f"{count}\n".encode() if scope["path"] == "/upload" else WHO
    await start(send, (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.body", "body": body})


async def start(send, *headers):
    headers = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def received(receive):
    count, more = 0, True
    while more:
        message = await receive()
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
    return count


async def stream(send, count, pause):
    await start(send)
    for left in reversed(range(count)):
        await send({"type": "http.response.body", "body": b"chunk\n", "more_body": left > 0})
        if left: await asyncio.sleep(pause)


async def live(receive, send):
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown": return
