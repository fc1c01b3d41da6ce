"""runtime_api.py COMMAND...: starts the Lambda function as Lambda does, hands it one visitor's request, and wants an answer to it.

The function finds a Runtime API of this process and a DynamoDB that refuses connections: it must start all the same and
answer with a fault of its own.
"""

import http.server
import json
import os
import queue
import subprocess
import sys
import threading
import time

PATIENCE = 60  # seconds for each step; an emulated machine is slow
ROOT = "/2018-06-01/runtime"
DOMAIN = "abc.execute-api.eu-central-1.amazonaws.com"
EVENT = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/web/a",
    "rawQueryString": "",
    "headers": {"host": DOMAIN, "accept": "application/problem+json", "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https"},
    "requestContext": {
        "accountId": "123456789012",
        "domainName": DOMAIN,
        "http": {"method": "GET", "path": "/web/a", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
    },
    "isBase64Encoded": False,
}


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.steps.put((self.path, None))
        if self.server.invoked.is_set():
            self.server.over.wait()  # as Lambda does while nobody calls
            self.close_connection = True
            return
        self.server.invoked.set()
        self._answer(200, EVENT)

    def do_POST(self):
        if self.headers.get("transfer-encoding") == "chunked":
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self.rfile.read(int(self.headers["content-length"]))
        self._answer(202, {"status": "OK"})
        self.server.steps.put((self.path, body))

    def _chunk(self):
        size = int(self.rfile.readline(), 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        self.send_header("lambda-runtime-deadline-ms", str(int((time.time() + PATIENCE) * 1000)))
        self.send_header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:handler")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """The steps tell enough."""


def environment(port):
    return {
        "PATH": os.environ["PATH"],
        "TUNNEL_CONNECTIONS_TABLE": "connections",
        "TUNNEL_PENDING_TABLE": "pending",
        "TUNNEL_CALLBACK_URL": "http://127.0.0.1:1/live",
        "TUNNEL_PUBLIC_URL": "",
        "TUNNEL_HTTP_URL": f"https://{DOMAIN}/{{tunnel}}",
        "TUNNEL_STREAM_URL": "",
        "TUNNEL_TOKEN": "a-token-of-the-tests",
        "TUNNEL_JWT_SECRET": "",
        "TUNNEL_JWKS": "",
        "TUNNEL_ANSWER_SECONDS": "28",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "handler",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    }


def step(server, function, wanted):
    """The function's next call of the API, which must be the wanted one."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        try:
            path, body = server.steps.get(timeout=1)
        except queue.Empty:
            if function.poll() is not None:
                sys.exit(f"runtime_api.py: the function ended with {function.returncode} before it called {wanted}")
            continue
        if path.endswith(wanted):
            return body
        sys.exit(f"runtime_api.py: the function called {path} where {wanted} was due: {body}")
    sys.exit(f"runtime_api.py: the function did not call {wanted} in {PATIENCE} s")


def serve(server, command):
    started = time.monotonic()
    with subprocess.Popen(command, env=environment(server.server_port)) as function:
        try:
            step(server, function, f"{ROOT}/invocation/next")
            ready = time.monotonic() - started
            answer = json.loads(step(server, function, "/response"))
            step(server, function, f"{ROOT}/invocation/next")
        finally:
            function.kill()
    return ready, answer


def main(command):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
    server.daemon_threads = True
    server.steps, server.invoked, server.over = queue.Queue(), threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        ready, answer = serve(server, command)
    finally:
        server.over.set()
        server.shutdown()
    fault = answer["headers"].get("x-tunnel-error")
    if answer["statusCode"] < 500 or not fault:
        sys.exit(f"runtime_api.py: without a DynamoDB a fault was due: {answer}")
    print(f"asked for work after {ready * 1000:.0f} ms, answered {answer['statusCode']} {fault}")


if __name__ == "__main__":
    main(sys.argv[1:])
