#!/usr/bin/env python3
"""Sends a test event as GitHub or Stripe would: send.py github ping|push URL, send.py stripe payment_intent.succeeded URL

The bodies are in events/, the secrets in GITHUB_WEBHOOK_SECRET and STRIPE_WEBHOOK_SECRET. curl sends, since it finds
NAME.localhost on this machine wherever it runs. The exit code is 1 unless the event is taken.
"""

import argparse
import hashlib
import hmac
import os
import pathlib
import subprocess
import sys
import time
import uuid

parser = argparse.ArgumentParser(description="Sends a signed test event.")
parser.add_argument("sender", choices=["github", "stripe"])
parser.add_argument("event", help="ping, push or payment_intent.succeeded")
parser.add_argument("url", help="the public URL")
parser.add_argument("--age", type=int, default=0, metavar="SECONDS", help="sign as of then (Stripe)")
arguments = parser.parse_args()

file = pathlib.Path(__file__).parent / "events" / f"{arguments.sender}-{arguments.event}.json"
variable = f"{arguments.sender.upper()}_WEBHOOK_SECRET"
secret = os.environ.get(variable, "").encode()
if not file.is_file():
    parser.error(f"no event {arguments.event!r} of {arguments.sender}")
if not secret:
    parser.error(f"set {variable}")
body = file.read_bytes()


def github():
    return {
        "User-Agent": "GitHub-Hookshot/0123abc",
        "X-GitHub-Event": arguments.event,
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-GitHub-Hook-ID": "448201337",
        "X-Hub-Signature": "sha1=" + hmac.new(secret, body, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
    }


def stripe():
    sent = int(time.time()) - arguments.age
    signature = hmac.new(secret, f"{sent}.".encode() + body, hashlib.sha256).hexdigest()
    return {
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": f"t={sent},v1={signature}",
    }


headers = {"Content-Type": "application/json", **(github() if arguments.sender == "github" else stripe())}
command = ["curl", "--silent", "--show-error", "--max-time", "30", "--data-binary", "@-", "--write-out", "%{http_code}"]
command += [word for line in headers.items() for word in ("--header", ": ".join(line))]
command += [f"{arguments.url.rstrip('/')}/{arguments.sender}"]
answer = subprocess.run(command, input=body, stdout=subprocess.PIPE, check=False)
if answer.returncode:
    sys.exit(1)
text, status = answer.stdout[:-3].decode(errors="replace").strip(), answer.stdout[-3:].decode()
print(status, text)
sys.exit(status != "200")
