#!/usr/bin/env python3
"""Receives webhooks of GitHub at /github and of Stripe at /stripe, and takes none whose signature does not fit.

The secrets are in GITHUB_WEBHOOK_SECRET and STRIPE_WEBHOOK_SECRET, the port in PORT, 8000 by default.
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds between the sender's clock and this one; Stripe's own libraries allow as many
LARGEST = 25 * 1024 * 1024  # GitHub sends no more


class Refused(Exception):
    """The request is not the sender's, or not meant for now."""


def digest(secret, signed):
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()


def check_github(headers, body, secret):
    given = headers.get("X-Hub-Signature-256", "").encode()
    if not hmac.compare_digest(given, b"sha256=" + digest(secret, body)):
        raise Refused("X-Hub-Signature-256 does not fit")


def check_stripe(headers, body, secret):
    pairs = [part.strip().partition("=") for part in headers.get("Stripe-Signature", "").split(",")]
    sent = next((value for name, _, value in pairs if name == "t"), "")
    if not (sent.isascii() and sent.isdigit()):
        raise Refused("Stripe-Signature has no time")
    wanted = digest(secret, sent.encode() + b"." + body)
    # There are two while a secret is being replaced.
    if not any(hmac.compare_digest(value.encode(), wanted) for name, _, value in pairs if name == "v1"):
        raise Refused("Stripe-Signature does not fit")
    if abs(time.time() - int(sent)) > TOLERANCE:
        raise Refused(f"Stripe-Signature is more than {TOLERANCE} s away from this clock")


def tell_github(headers, event):
    kind = headers.get("X-GitHub-Event", "")
    if kind == "push":
        return f"push of {len(event['commits'])} commits to {event['ref']!r} by {event['pusher']['name']!r}"
    return f"ping: {event['zen']!r}" if kind == "ping" else repr(kind)


def tell_stripe(_headers, event):
    thing = event["data"]["object"]
    if event["type"] == "payment_intent.succeeded":
        return f"{event['type']} {thing['id']!r}: {thing['amount'] / 100:.2f} {thing['currency']}"
    return repr(event["type"])


SENDERS = {
    "/github": (check_github, tell_github, os.environ.get("GITHUB_WEBHOOK_SECRET")),
    "/stripe": (check_stripe, tell_stripe, os.environ.get("STRIPE_WEBHOOK_SECRET")),
}


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one write
    timeout = 60

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            self.close_connection = True
            return self.answer(413 if length.isdigit() else 411, f"a body of at most {LARGEST} bytes, with its length")
        body = self.rfile.read(int(length))
        if self.path not in SENDERS:
            return self.answer(404, "webhooks go to " + " or ".join(SENDERS))
        check, tell, secret = SENDERS[self.path]
        try:
            check(self.headers, body, secret)
            what = tell(self.headers, json.loads(body))
        except (Refused, ValueError, LookupError, TypeError) as why:
            return self.answer(400, f"refused: {why}")
        self.answer(200, f"took {what}")

    def answer(self, status, text):
        print(self.path.lstrip("/")[:20], status, text, flush=True)
        body = text.encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        """The line of `answer` is enough."""


if not all(secret for _, _, secret in SENDERS.values()):
    sys.exit("receiver.py: set GITHUB_WEBHOOK_SECRET and STRIPE_WEBHOOK_SECRET")
server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Receiver)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    sys.exit()
