#!/usr/bin/env python3
"""A small API: notes with a title, a text and perhaps a file, kept in memory. The port is PORT, 8000 by default.

A note's ETag is its version. PATCH with If-Match changes only that version, GET with If-None-Match sends only another.
"""

import json
import os
import re
import sys
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGEST = 10 * 1024 * 1024
lock = threading.Lock()
notes = {}
files = {}


class Problem(Exception):
    """Status and reason of an answer that is no success."""


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one write
    timeout = 60

    def route(self):
        path = self.path.partition("?")[0]
        try:
            body = self.body()
            with lock:
                for method, pattern, action in ROUTES:
                    found = re.fullmatch(pattern, path)
                    if found and method == self.command:
                        return action(self, body, *map(int, found.groups()))
            raise Problem(404, f"no {self.command} {path}")
        except Problem as problem:
            status, why = problem.args
            self.answer(status, {"error": why})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = route

    def body(self):
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > LARGEST or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise Problem(413, f"a body of at most {LARGEST} bytes, with its length")
        return self.rfile.read(int(length))

    def answer(self, status, value=None, **headers):
        body = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        if value is not None:
            kind = "application/octet-stream" if isinstance(value, bytes) else "application/json"
            self.send_header("Content-Type", kind)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)


def fields(body):
    try:
        value = json.loads(body)
    except ValueError as why:
        raise Problem(400, f"the body is no JSON: {why}") from why
    if not isinstance(value, dict) or not all(key in ("title", "text") and isinstance(value[key], str) for key in value):
        raise Problem(422, "a note has a title and a text, and both are strings")
    return value


def note_of(number):
    if number not in notes:
        raise Problem(404, f"no note {number}")
    return notes[number]


def tag(note):
    return f'"v{note["version"]}"'


def create(api, body):
    value = fields(body)
    number = max(notes, default=0) + 1
    created = datetime.now(timezone.utc).isoformat()
    notes[number] = {"id": number, "title": "", "text": "", **value, "version": 1, "created": created}
    api.answer(201, notes[number], Location=f"/notes/{number}", ETag=tag(notes[number]))


def everything(api, _body):
    api.answer(200, {"notes": list(notes.values())})


def latest(api, _body):
    if not notes:
        raise Problem(404, "no notes")
    api.answer(302, Location=f"/notes/{max(notes)}")


def read(api, _body, number):
    note = note_of(number)
    if api.headers.get("If-None-Match") == tag(note):
        return api.answer(304, ETag=tag(note))
    api.answer(200, note, ETag=tag(note))


def change(api, body, number):
    note = note_of(number)
    if api.headers.get("If-Match", tag(note)) != tag(note):
        raise Problem(412, f"the note is at {tag(note)} by now")
    note |= fields(body)
    note["version"] += 1
    api.answer(200, note, ETag=tag(note))


def upload(api, body, number):
    note_of(number)
    files[number] = body
    api.answer(201, {"id": number, "size": len(body)})


def download(api, _body, number):
    note_of(number)
    if number not in files:
        raise Problem(404, f"note {number} has no file")
    api.answer(200, files[number])


def remove(api, _body, number):
    note_of(number)
    del notes[number]
    files.pop(number, None)
    api.answer(204)


ROUTES = [
    ("POST", r"/notes", create),
    ("GET", r"/notes", everything),
    ("GET", r"/notes/latest", latest),
    ("GET", r"/notes/(\d{1,9})", read),
    ("PATCH", r"/notes/(\d{1,9})", change),
    ("DELETE", r"/notes/(\d{1,9})", remove),
    ("PUT", r"/notes/(\d{1,9})/file", upload),
    ("GET", r"/notes/(\d{1,9})/file", download),
]

server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Api)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    sys.exit()
