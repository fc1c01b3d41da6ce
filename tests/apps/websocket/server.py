"""A WebSocket server: /echo sends back what comes, /close/CODE/REASON closes, /refuse refuses, anything else is a page.

The page of another site is refused at /own, as the servers of many frameworks do everywhere: Origin must name the Host.

It prints its port, and how every socket ended on its side.
"""

import asyncio
from http import HTTPStatus
from urllib.parse import unquote

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


def answer(connection, request):
    if request.path == "/refuse":
        return connection.respond(HTTPStatus.FORBIDDEN, "not you\n")
    if "Upgrade" not in request.headers:
        return connection.respond(HTTPStatus.OK, "a page\n")
    if request.path == "/own" and request.headers["Origin"] != "http://" + request.headers["Host"]:
        return connection.respond(HTTPStatus.FORBIDDEN, "not from here\n")
    return None


async def talk(socket):
    path = socket.request.path
    if path.startswith("/close/"):
        _, _, code, reason = path.split("/")
        await socket.close(int(code), unquote(reason))
        return
    try:
        while True:
            await socket.send(await socket.recv())
    except ConnectionClosed:
        print(f"closed {socket.close_code} {socket.close_reason}", flush=True)


def choose(_connection, offered):
    return "chat.v2" if "chat.v2" in offered else None


async def main():
    server = await serve(talk, "127.0.0.1", 0, process_request=answer, select_subprotocol=choose)
    print("listening on", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
