"""Fixtures: moto as a server of this process, a checkout for each test, and a stack that many tests look at."""

import pathlib
import sys

import pytest
from moto.server import ThreadedMotoServer

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1])]

import harness  # noqa: E402 # after the path is set


@pytest.fixture(scope="session")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def checkout(tmp_path, endpoint):
    harness.reset(endpoint)
    return harness.Checkout(tmp_path, endpoint)


@pytest.fixture(scope="module", params=["dev", "dev with domain", "prod", "prod with domain"])
def deployment(request, tmp_path_factory, endpoint):
    harness.reset(endpoint)
    stack, _, domain = request.param.partition(" ")
    made = harness.Deployment(harness.Checkout(tmp_path_factory.mktemp("deployment"), endpoint), stack, bool(domain))
    made.up()
    return made
