#!/usr/bin/env python3
"""An MCP server with three tools, over SSE at /sse, or with the argument `streamable-http` at /mcp.

The port is PORT, 8000 by default.
"""

import os
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("words-and-time")


@server.tool()
def word_count(text: str) -> dict[str, int]:
    """Counts the lines, words and characters of a text."""
    return {"lines": len(text.splitlines()), "words": len(text.split()), "characters": len(text)}


@server.tool()
def now(zone: str = "UTC") -> str:
    """The time in a zone such as Europe/Berlin."""
    try:
        return datetime.now(ZoneInfo(zone)).isoformat(timespec="seconds")
    except (LookupError, OSError, ValueError) as why:
        raise ToolError(f"no time zone {zone!r}") from why


@server.tool()
async def timer(seconds: int, ctx: Context) -> str:
    """Waits, and reports its progress each second."""
    for passed in range(seconds):
        await ctx.report_progress(passed, seconds, f"{seconds - passed} s to go")
        await anyio.sleep(1)
    return f"{seconds} s are over"


transport = sys.argv[1] if len(sys.argv) > 1 else "sse"
if transport not in ("sse", "streamable-http"):
    sys.exit("usage: server.py [sse|streamable-http]")
server.run(transport, port=int(os.environ.get("PORT", "8000")))
