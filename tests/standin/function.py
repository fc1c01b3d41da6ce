#!/usr/bin/env python3
"""A function for the checks of the stand-ins: it does what the event's path, or the message's "do", says.

Every event is printed on a line of its own, so that a test can look at it.
"""

import http.client
import json
import os
import sys
import time
from base64 import b64encode

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime"
PRELUDE = "application/vnd.awslambda.http-integration-response"


def call(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, PREFIX + path, body, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def reply(number, value):
    text = value if isinstance(value, (bytes, str)) else json.dumps(value)
    answer, _ = call("POST", f"/invocation/{number}/response", text)
    if answer.status != 202:
        print(json.dumps({"refused": answer.status}), flush=True)


def fail(number):
    call("POST", f"/invocation/{number}/error", json.dumps({"errorType": "Check", "errorMessage": "asked to"}))


class Stream:
    """A streamed answer by hand: chunks, and whatever end a check wants."""

    def __init__(self, number, prelude, content_type=PRELUDE):
        self.socket = http.client.HTTPConnection(API)
        self.socket.putrequest("POST", f"{PREFIX}/invocation/{number}/response")
        self.socket.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
        self.socket.putheader("Transfer-Encoding", "chunked")
        self.socket.putheader("Content-Type", content_type)
        self.socket.putheader("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body")
        self.socket.endheaders()
        if prelude is not None:
            self.chunk(json.dumps(prelude).encode() + b"\0" * 8)

    def chunk(self, data):
        self.socket.send(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self, trailers=b""):
        self.socket.send(b"0\r\n" + trailers + b"\r\n")
        self.socket.getresponse().read()


def streams(number, path, argument):
    head = {"statusCode": 200, "headers": {"content-type": "text/plain", "content-length": "7"}, "cookies": ["a=1", "b=2"]}
    if path == "plain":
        stream = Stream(number, None, "text/csv")
        stream.chunk(b"1,2,3")
        return stream.end()
    stream = Stream(number, head)
    if path == "size":
        for _ in range(int(argument) // 65536):
            stream.chunk(b"x" * 65536)
    elif path == "slow":
        for line in (b"one\n", b"two\n"):
            stream.chunk(line)
            time.sleep(float(argument))
    else:
        stream.chunk(b"beginning")
        time.sleep(0.2)
    if path == "trailer":
        return stream.end(b"Lambda-Runtime-Function-Error-Type: Check.Asked\r\nLambda-Runtime-Function-Error-Body: e30=\r\n")
    if path == "unfinished":
        return stream.socket.close()
    if path == "die":
        os._exit(3)
    stream.end()
    print(json.dumps({"streamed": path}), flush=True)


def act(number, path, event):
    """What a path asks for; True if the invocation is answered."""
    word, _, argument = path.strip("/").partition("/")
    if word == "stream":
        kind, _, more = argument.partition("/")
        streams(number, kind, more)
        return True
    if word == "sleep":
        time.sleep(float(argument))
    elif word == "exit":
        os._exit(int(argument or 3))
    elif word == "fail":
        fail(number)
        return True
    elif word == "raw":
        reply(number, {"raw": True})
        return True
    elif word == "invalid":
        reply(number, "not json")
        return True
    elif word == "size":
        reply(number, {"statusCode": 200, "body": "x" * int(argument)})
        return True
    elif word == "fields":
        reply(number, {
            "statusCode": 201, "body": b64encode(bytes(range(256))).decode(), "isBase64Encoded": True,
            "headers": {"X-One": "1", "Connection": "close", "Content-Length": "3"}, "cookies": ["a=1; Path=/", "b=2"],
            "multiValueHeaders": {"X-Many": ["1", "2"]},
        })
        return True
    elif word == "environment":
        reply(number, {"statusCode": 200, "body": json.dumps(dict(os.environ))})
        return True
    return False


def connect(number, event):
    headers = {name.lower(): value for name, value in event["headers"].items()}
    if "x-refuse" in headers:
        status, _, text = headers["x-refuse"].partition(" ")
        return reply(number, {"statusCode": int(status), "body": text})
    act(number, headers.get("x-path", ""), event) or reply(number, {
        "statusCode": 200,
        "headers": {"sec-websocket-protocol": headers.get("sec-websocket-protocol", "").split(",")[0].strip()},
    })


def message(number, event):
    try:
        path = json.loads(event["body"]).get("do", "")
    except ValueError:
        path = ""
    act(number, path, event) or reply(number, {"statusCode": 200})


def main():
    if "init" in os.environ.get("RUST_LOG", ""):
        if "error" in os.environ["RUST_LOG"]:
            call("POST", "/init/error", json.dumps({"errorType": "Check", "errorMessage": "asked to"}))
        sys.exit("asked to fail")
    waiting = http.client.HTTPConnection(API)
    while True:
        waiting.request("GET", PREFIX + "/invocation/next")
        answer = waiting.getresponse()
        event = json.loads(answer.read())
        number = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        context = {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("lambda-runtime")}
        print(json.dumps({"event": event, "context": context, "pid": os.getpid()}), flush=True)
        kind = event["requestContext"].get("eventType")
        if kind == "CONNECT":
            connect(number, event)
        elif kind == "MESSAGE":
            message(number, event)
        elif kind == "DISCONNECT":
            reply(number, {"statusCode": 200})
        else:
            path = event.get("rawPath") or event["path"]
            act(number, path, event) or reply(number, {"statusCode": 200, "body": json.dumps(event)})


main()
