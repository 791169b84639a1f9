"""aiohttp's web server: aio.py PORT. Answers what shapes.py asks for."""
import asyncio, os, sys
from aiohttp import web

WHO = f"slot={os.environ['RELOADERD_SLOT']} generation={os.environ['RELOADERD_GENERATION']} pid={os.getpid()}\n"
routes = web.RouteTableDef()


@routes.get("/")
async def who(request): return web.Response(text=WHO)


@routes.get("/sleep")
async def sleep(request):
    await asyncio.sleep(int(request.query["ms"]) / 1000)
    return web.Response(text=WHO)


@routes.post("/upload")
async def upload(request): return web.Response(text=f"{len(await request.read())}\n")


@routes.get("/stream")
async def stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for left in reversed(range(int(request.query["n"]))):
        await response.write(b"chunk\n")
        if left: await asyncio.sleep(int(request.query["pause"]) / 1000)
    return response


app = web.Application()
app.add_routes(routes)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
