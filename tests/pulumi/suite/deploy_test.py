"""nix/deploy.sh from the first refusal to the last resource, with the real engine."""

import base64
import json
import os
import stat
import subprocess

import boto3
import pytest

import harness

pytestmark = pytest.mark.engine
JWKS = base64.b64encode(b'{"keys":[]}').decode()
YES = ("--yes", "--non-interactive")
# What is missing, the command line, changes of the environment, and what the one line says.
REFUSALS = [
    ("a stack of that name", ["staging"], {}, "no stack 'staging': there is dev,prod"),
    ("a stack name that is one", ["../dev"], {}, "no stack '../dev'"),
    ("credentials", ["dev"], {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "no AWS credentials: set AWS_PROFILE"),
    ("half of the credentials", ["dev"], {"AWS_SECRET_ACCESS_KEY": None}, "AWS_SECRET_ACCESS_KEY is not"),
    ("credentials for destroy", ["destroy"], {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "no AWS credentials"),
    ("the named profile", ["dev"], {"AWS_ACCESS_KEY_ID": None, "AWS_PROFILE": "nobody"}, "no AWS credentials"),
    ("a region", ["preview"], {"AWS_REGION": None}, "no region: set AWS_REGION"),
    ("a passphrase", ["dev"], {"PULUMI_CONFIG_PASSPHRASE": None}, "no passphrase: export PULUMI_CONFIG_PASSPHRASE"),
    ("a passphrase for a token", ["token"], {"PULUMI_CONFIG_PASSPHRASE": None}, "no passphrase"),
    ("access", ["dev"], {}, "nobody may connect to stack dev yet: make a token with: "),
    ("access in prod", ["prod", *YES], {}, "nobody may connect to stack prod yet"),
    ("tables that may go", ["destroy", "prod"], {}, "stack prod keeps its tables"),
]
# What the stack file says, and what is said about it.
SETTINGS = [
    ("http-tunnel:token: open", "token stands in plain text in Pulumi.dev.yaml"),
    ("http-tunnel:jwtSecret: open", "jwtSecret stands in plain text in Pulumi.dev.yaml"),
    ('http-tunnel:token: ""', "nobody may connect to stack dev yet"),
    ("http-tunnel:jwks: '{\"keys\":[]}'", "http-tunnel:jwks in Pulumi.dev.yaml is not base64"),
    (f"http-tunnel:jwks: {JWKS}\n  http-tunnel:publicUrl: tunnel.example.com", "must begin with https:// and hold {tunnel}"),
    (f"http-tunnel:jwks: {JWKS}\n  http-tunnel:publicUrl: https://tunnel.example.com", "must begin with https:// and hold {tunnel}"),
]


def _lines(text):
    return dict(line.split("  ", 1) for line in text.splitlines() if "  " in line and not line.startswith(" "))


def _variables(checkout):
    client = checkout.aws("lambda")
    (function,) = client.list_functions()["Functions"]
    return client.get_function(FunctionName=function["FunctionName"])["Configuration"]["Environment"]["Variables"]


def _refused(checkout, done, said):
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("deploy: ")
    assert said in line
    assert not (checkout.folder / "journal").exists(), "something was made"
    assert not (checkout.root / "build").exists(), "something was built"


@pytest.fixture
def fresh(checkout):
    """A checkout in which nothing was built and no backend chosen."""
    (checkout.root / "build/bootstrap.zip").unlink()
    (checkout.root / "build").rmdir()
    return checkout


@pytest.fixture
def open_stack(fresh):
    """One that somebody may connect to: by keys, which need no encryption."""
    fresh.edit("Pulumi.dev.yaml", "config:\n", f"config:\n  http-tunnel:jwks: {JWKS}\n")
    return fresh


class Refusals:
    """One line each, before anything is built or made."""

    @pytest.mark.parametrize(("arguments", "changes", "said"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
    def without_one_thing(self, fresh, arguments, changes, said):
        _refused(fresh, fresh.deploy(*arguments, ok=False, **changes), said)

    @pytest.mark.parametrize(("setting", "said"), SETTINGS, ids=[setting[:40] for setting, _ in SETTINGS])
    def with_the_setting(self, fresh, setting, said):
        fresh.edit("Pulumi.dev.yaml", "config:\n", f"config:\n  {setting}\n")
        _refused(fresh, fresh.deploy("dev", ok=False), said)

    def outside_of_a_checkout(self, fresh):
        _refused(fresh, fresh.deploy("dev", ok=False, cwd=fresh.folder), "no http-tunnel checkout here")

    def with_half_a_domain(self, open_stack):
        (open_stack.root / "domain/Pulumi.dev.yaml").write_text("config:\n  http-tunnel-domain:domain: tunnel.example.com\n")
        said = "domain/Pulumi.dev.yaml does not set http-tunnel-domain:hostedZoneId"
        _refused(open_stack, open_stack.deploy("dev", ok=False), said)

    def without_a_handler(self, open_stack):
        _refused(open_stack, open_stack.deploy("dev", ok=False, HANDLER_ZIP=None), "no handler: run this as nix run .#deploy")
        missing = str(open_stack.folder / "missing.zip")
        _refused(open_stack, open_stack.deploy("dev", ok=False, HANDLER_ZIP=missing), "is not there")

    def of_an_unknown_command_it_says_what_there_is(self, fresh):
        assert "deploy token [--print] [STACK]" in fresh.deploy("--help").stdout


class Credentials:
    """Each of the places where AWS's tools keep them is enough."""

    def a_profile_with_keys_and_a_region(self, open_stack):
        (open_stack.folder / "home/.aws").mkdir()
        (open_stack.folder / "home/.aws/credentials").write_text("[other]\n[work]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
        (open_stack.folder / "home/.aws/config").write_text("[profile work]\nregion = eu-west-1\n")
        profile = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_REGION": None, "AWS_PROFILE": "work"}
        assert "32 to create" in open_stack.deploy("preview", "dev", "--non-interactive", **profile).stdout
        assert "aws:region: eu-west-1" in (open_stack.root / "Pulumi.dev.yaml").read_text()

    @pytest.mark.parametrize("section", ["sso_session = s", "role_arn = arn", "credential_process = p"])
    def a_profile_that_gets_them_elsewhere(self, fresh, section):
        (fresh.folder / "home/.aws").mkdir()
        (fresh.folder / "home/.aws/config").write_text(f"[default]\n{section}\n")
        keyless = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
        _refused(fresh, fresh.deploy("dev", ok=False, **keyless), "nobody may connect")


class Recipe:
    """The flake gives no zip but the recipe of one."""

    def it_is_built_after_the_checks(self, open_stack):
        tools = open_stack.folder / "tools"
        tools.mkdir()
        nix_store = tools / "nix-store"
        nix_store.write_text(f'#!/bin/sh\necho "$@" >{tools}/asked\nmkdir -p {tools}/out && cp {open_stack.zip} {tools}/out/ && echo {tools}/out\n')
        nix_store.chmod(0o755)
        flake = {"HANDLER_ZIP": None, "HANDLER_DRV": "/nix/store/x.drv", "PATH": f"{tools}:{open_stack.environment['PATH']}"}
        _refused(open_stack, open_stack.deploy("dev", ok=False, **{**flake, "AWS_REGION": None}), "no region")
        assert not (tools / "asked").exists()
        open_stack.deploy("preview", "dev", "--non-interactive", **flake)
        assert (tools / "asked").read_text().split() == ["--realise", "--add-root", f"{open_stack.root}/build/handler-zip", "/nix/store/x.drv"]
        assert (open_stack.root / "build/bootstrap.zip").read_bytes() == open_stack.zip.read_bytes()


class FromFirstToLast:
    def a_stack_of_its_own_backend(self, fresh):
        fresh.environment.pop("PULUMI_BACKEND_URL")
        arguments = self._record_arguments(fresh)

        said = fresh.deploy("token")
        assert "a new token is in Pulumi.dev.yaml, encrypted" in said.stderr
        assert self._first_deploy(fresh) == fresh.deploy("token", "--print").stdout.strip()
        self._a_second_deploy_changes_nothing(fresh)
        self._another_region_does_not_move_it(fresh)
        self._a_new_token_counts_from_the_next_deploy(fresh)

        assert "TUNNEL_TOKEN=" in fresh.deploy("show", "dev", AWS_ACCESS_KEY_ID=None, AWS_REGION=None).stdout
        token = fresh.deploy("token", "--print", "dev").stdout.strip()
        assert token not in arguments.read_text(), "a process list would show the token"
        self._destroy(fresh)

    @staticmethod
    def _record_arguments(checkout):
        """A pulumi in front of the real one that notes its command line."""
        tools = checkout.folder / "tools"
        tools.mkdir()
        (tools / "pulumi").write_text(f'#!/bin/sh\necho "$@" >>{tools}/arguments\nexec {harness.TOOLS}/bin/pulumi "$@"\n')
        (tools / "pulumi").chmod(0o755)
        checkout.environment["PATH"] = f"{tools}:{checkout.environment['PATH']}"
        return tools / "arguments"

    @staticmethod
    def _first_deploy(checkout):
        done = checkout.deploy("dev", *YES)
        state = checkout.folder / "home/.local/state/http-tunnel"
        assert stat.S_IMODE(os.stat(state).st_mode) == 0o700
        said, variables = _lines(done.stdout.split("Duration")[-1]), _variables(checkout)
        assert said["public URL"].strip() == variables["TUNNEL_HTTP_URL"]
        assert said["streamed"].strip() == variables["TUNNEL_STREAM_URL"]
        endpoint = variables["TUNNEL_CALLBACK_URL"].replace("https", "wss")
        assert said["forwarder"].strip() == f"TUNNEL_TOKEN=… forwarder 8000 --endpoint {endpoint}"
        assert said["cost at rest"].strip().startswith("$0")
        token = variables["TUNNEL_TOKEN"]
        assert len(token) == 43
        assert token not in done.stdout + done.stderr
        assert token not in (checkout.root / "Pulumi.dev.yaml").read_text()
        return token

    @staticmethod
    def _a_second_deploy_changes_nothing(checkout):
        before = len(checkout.journal())
        done = checkout.deploy("dev", *YES, "--expect-no-changes")
        assert len(checkout.journal()) == before
        assert "once more" not in done.stderr

    @staticmethod
    def _another_region_does_not_move_it(checkout):
        done = checkout.deploy("preview", "dev", "--non-interactive", AWS_REGION="us-east-1")
        assert f"stays in {harness.REGION}" in done.stderr
        assert "32 unchanged" in done.stdout

    @staticmethod
    def _a_new_token_counts_from_the_next_deploy(checkout):
        old = _variables(checkout)["TUNNEL_TOKEN"]
        checkout.deploy("token", "dev")
        assert _variables(checkout)["TUNNEL_TOKEN"] == old
        checkout.deploy("dev", *YES)
        assert _variables(checkout)["TUNNEL_TOKEN"] not in ("", old)

    @staticmethod
    def _destroy(checkout):
        checkout.deploy("destroy", "dev", *YES)
        assert checkout.aws("lambda").list_functions()["Functions"] == []
        assert checkout.aws("dynamodb").list_tables()["TableNames"] == []
        assert "streamUrl" not in (checkout.root / "Pulumi.dev.yaml").read_text()
        refused = checkout.deploy("show", ok=False)
        assert (refused.returncode, "stack dev is not up" in refused.stderr) == (2, True)

    def a_stack_with_a_domain(self, open_stack):
        deployment = harness.Deployment(open_stack, "dev", with_domain=True)
        assert "can be previewed once the rest is there" in open_stack.deploy("preview", "dev", "--non-interactive").stderr
        said = _lines(open_stack.deploy("dev", *YES).stdout.split("Duration")[-1])
        assert said["public URL"].strip() == "https://{tunnel}.tunnel.example.com"
        assert said["forwarder"].strip() == "TUNNEL_TOKEN=… forwarder 8000 --endpoint wss://connect.tunnel.example.com"
        assert "the token" not in said, "there is none, but keys"
        assert _variables(open_stack)["TUNNEL_JWKS"] == '{"keys":[]}'
        assert _variables(open_stack)["TUNNEL_PUBLIC_URL"] == "https://{tunnel}.tunnel.example.com"
        assert json.loads(open_stack.pulumi("stack", "output", "--json").stdout)["publicUrl"] == "https://{tunnel}.tunnel.example.com"
        open_stack.deploy("dev", *YES, "--expect-no-changes")
        open_stack.deploy("destroy", "dev", *YES)
        assert deployment.inventory() == deployment.untouched

    def a_stack_that_keeps_its_tables(self, fresh):
        fresh.deploy("token", "prod")
        fresh.deploy("prod", *YES)
        refused = fresh.deploy("destroy", "prod", *YES, ok=False)
        assert "stack prod keeps its tables" in refused.stderr
        fresh.edit("Pulumi.prod.yaml", 'keepTables: "true"', 'keepTables: "false"')
        fresh.deploy("prod", *YES)
        fresh.deploy("destroy", "prod", *YES)
        assert fresh.aws("dynamodb").list_tables()["TableNames"] == []


class ForOtherTests:
    def a_stack_lives_until_its_input_ends(self):
        command = [harness.ROOT / "tests/pulumi/stack", "dev"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            told = json.loads(process.stdout.readline())
            tables = boto3.client("dynamodb", endpoint_url=told["endpoint"], region_name=told["region"], **harness.KEYS).list_tables()["TableNames"]
            assert {told["environment"]["TUNNEL_CONNECTIONS_TABLE"], told["environment"]["TUNNEL_PENDING_TABLE"]} == set(tables)
            assert told["environment"]["TUNNEL_STREAM_URL"] == told["outputs"]["streamUrl"]
            process.stdin.close()
            assert process.wait(harness.PATIENCE) == 0
