"""What the SDK's own client gets from examples/mcp-server, one JSON object a line: python mcp_client.py sse|streamable-http URL

It counts words, starts a timer of an hour and leaves it after two notifications, and sees a timer of a second end.
"""

import asyncio
import json
import sys

from mcp import Client
from mcp.client.sse import sse_client


def say(**what):
    print(json.dumps(what), flush=True)


async def hour(client):
    """The notifications come while the call is open, or never: it would take an hour to come to its end."""
    reports = asyncio.Queue()

    async def hear(progress, total, message):
        await reports.put({"progress": progress, "total": total, "message": message})

    call = asyncio.create_task(client.call_tool("timer", {"seconds": 3600}, progress_callback=hear))
    first, second = await reports.get(), await reports.get()
    say(reports=[first, second], open=not call.done())
    call.cancel()
    await asyncio.wait([call])


async def main(transport, url):
    # Over SSE there is only the handshake that begins with `initialize`.
    client = Client(sse_client(url), mode="legacy") if transport == "sse" else Client(url)
    async with client:
        say(server=client.server_info.name, protocol=client.protocol_version)
        say(tools=[tool.name for tool in (await client.list_tools()).tools])
        counted = await client.call_tool("word_count", {"text": "one two\nthree"})
        say(counted=counted.structured_content)
        wrong = await client.call_tool("now", {"zone": "Mars/Olympus"})
        say(wrong=wrong.is_error, why=wrong.content[0].text)
        await hour(client)
        ended = await client.call_tool("timer", {"seconds": 1})
        say(ended=ended.content[0].text)


asyncio.run(main(*sys.argv[1:]))
