"""The vendors' own libraries sign and verify: python webhooks.py sign|verify SCHEME SECRET < request.json

A request is {"headers": {name: value}, "body": base64}; signing prints the headers."""

import base64
import datetime
import hashlib
import hmac
import json
import sys
import time

from slack_sdk.signature import SignatureVerifier
from standardwebhooks.webhooks import Webhook
from stripe import Webhook as StripeWebhook
from stripe import WebhookSignature

action, scheme, secret = sys.argv[1:]
request = json.load(sys.stdin)
body = base64.b64decode(request["body"])
text = body.decode()
now = int(time.time())


def github():
    """GitHub publishes this as its way in Python, not as a library."""
    return "sha256=" + hmac.new(secret.encode(), msg=body, digestmod=hashlib.sha256).hexdigest()


def sign():
    if scheme == "github":
        return {"x-hub-signature-256": github()}
    if scheme == "stripe":
        return {"stripe-signature": f"t={now},v1={WebhookSignature._compute_signature(f'{now}.{text}', secret)}"}
    if scheme == "slack":
        signature = SignatureVerifier(secret).generate_signature(timestamp=str(now), body=text)
        return {"x-slack-request-timestamp": str(now), "x-slack-signature": signature}
    at = datetime.datetime.now(tz=datetime.timezone.utc)
    signature = Webhook(secret).sign("msg_1", at, text)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def verify(headers):
    if scheme == "github":
        assert hmac.compare_digest(headers["x-hub-signature-256"], github())
    elif scheme == "stripe":
        StripeWebhook.construct_event(body, headers["stripe-signature"], secret)
    elif scheme == "slack":
        assert SignatureVerifier(secret).is_valid_request(body, headers)
    else:
        Webhook(secret).verify(text, headers)


if action == "sign":
    print(json.dumps(sign()))
else:
    verify(request["headers"])
