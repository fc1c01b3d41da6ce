"""Reads a HAR file with haralyzer and prints what it found: python har.py file.har"""

import json
import sys

from haralyzer import HarParser

parser = HarParser(json.load(open(sys.argv[1])))
assert parser.version == "1.2", parser.version
entries = [
    {
        "method": entry.request.method,
        "url": entry.request.url,
        "status": entry.response.status,
        "headers": len(entry.request.headers),
        "text": entry.response.text,
        "time": entry.time,
        "started": entry.startTime.isoformat(),
    }
    for entry in (parser.pages[0].entries if parser.pages and parser.pages[0].entries else [])
]
print(json.dumps({"creator": parser.creator["name"], "entries": entries}))
