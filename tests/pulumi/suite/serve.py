"""What tests/pulumi/stack runs. The line it prints: `endpoint` (moto's, for AWS_ENDPOINT_URL), `region`, `outputs` of the program, the
`environment` that the function got, and with --domain the `domain`'s outputs. Made by nix/deploy.sh, as a user would."""

import argparse
import json
import logging
import pathlib
import sys
import tempfile

from moto.server import ThreadedMotoServer

import harness


def parse():
    parser = argparse.ArgumentParser(prog="stack")
    parser.add_argument("stack", nargs="?", default="dev")
    parser.add_argument("--domain", action="store_true")
    parser.add_argument("--zip", type=pathlib.Path)
    return parser.parse_args()


def bring_up(checkout, options):
    if options.zip:
        checkout.zip.write_bytes(options.zip.read_bytes())
    deployment = harness.Deployment(checkout, options.stack, options.domain)
    checkout.deploy("token", options.stack)
    checkout.deploy(options.stack, "--yes", "--non-interactive")
    found = {
        "endpoint": checkout.endpoint,
        "region": harness.REGION,
        "outputs": deployment.outputs(),
        "environment": deployment.function()["Configuration"]["Environment"]["Variables"],
    }
    return {**found, "domain": deployment.outputs("domain")} if options.domain else found


def main():
    options = parse()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(bring_up(harness.Checkout(pathlib.Path(folder), f"http://{host}:{port}"), options)), flush=True)
        sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
