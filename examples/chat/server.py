#!/usr/bin/env python3
"""A chat: `/` is its page, `/socket` its WebSocket, and what one says everybody hears. The port is PORT, 8000 by default."""

import asyncio
import json
import os
import pathlib
from http import HTTPStatus
from urllib.parse import urlsplit

from websockets.asyncio.server import broadcast, serve

FOLDER = pathlib.Path(__file__).parent
PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/chat.js": ("chat.js", "text/javascript; charset=utf-8"),
}
LONGEST = {"name": 40, "text": 2000}
people = set()


def page(connection, request):
    """Answers what is no WebSocket, and refuses the WebSockets of other sites' pages: browsers let them ask."""
    path = urlsplit(request.path).path
    if path == "/socket":
        origin = request.headers.get("Origin")
        if origin and urlsplit(origin).netloc != request.headers["Host"]:
            return connection.respond(HTTPStatus.FORBIDDEN, "This chat is for its own page.\n")
        return None
    if path not in PAGES:
        return connection.respond(HTTPStatus.NOT_FOUND, "There is only the chat.\n")
    name, kind = PAGES[path]
    answer = connection.respond(HTTPStatus.OK, (FOLDER / name).read_text(encoding="utf-8"))
    del answer.headers["Content-Type"]
    answer.headers["Content-Type"] = kind
    return answer


def read(message):
    """What was said, or `None`: whoever writes a client of their own may send anything."""
    try:
        said = json.loads(message)
        said = {field: said[field].strip()[:longest] for field, longest in LONGEST.items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return said if all(said.values()) else None


def tell(event):
    broadcast(people, json.dumps(event))


async def talk(socket):
    people.add(socket)
    tell({"people": len(people)})
    try:
        async for message in socket:
            said = read(message)
            if said:
                tell(said)
            else:
                await socket.send(json.dumps({"error": "a message has a name and a text"}))
    finally:
        people.discard(socket)
        tell({"people": len(people)})


async def main():
    async with serve(talk, "127.0.0.1", int(os.environ.get("PORT", "8000")), process_request=page, max_size=65536) as server:
        print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
