"""A checkout of its own, an AWS of its own (moto), and the real engine between them."""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import urllib.request
import zipfile

import boto3

ROOT = pathlib.Path(__file__).resolve().parents[3]
TOOLS = pathlib.Path(os.environ.get("PULUMI_TEST_TOOLS", ROOT / "target/pulumi"))
REGION, TOKEN, DOMAIN = "eu-central-1", "a-token-of-the-tests", "tunnel.example.com"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
BOOTSTRAP = b"#!/bin/sh\nexit 1\n"
PATIENCE = 300  # seconds for one command, on a machine that does other things as well


def reset(endpoint):
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()


def write_zip(path):
    """A bootstrap.zip as the flake makes it: one executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o100755 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, BOOTSTRAP)


class Checkout:
    """Copies of the project's files in `folder`, with everything that a command may write beside them."""

    def __init__(self, folder, endpoint):
        self.folder, self.root, self.endpoint = folder, folder / "checkout", endpoint
        for name in ("Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml", "domain/Pulumi.yaml", "nix/deploy.sh"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        subprocess.run(["git", "init", "--quiet", self.root], check=True)
        for name in ("state", "home", "pulumi"):
            (folder / name).mkdir()
        self.zip = folder / "bootstrap.zip"
        write_zip(self.zip)
        write_zip(self.root / "build/bootstrap.zip")
        self.environment = self._environment()

    def _environment(self):
        provider = pathlib.Path(os.environ.get("REAL_PROVIDER", ROOT / "tests/pulumi/provider/pulumi-resource-aws")).parent
        return {
            "PATH": f"{provider}:{TOOLS / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "PULUMI_TEST_TOOLS": str(TOOLS),
            "PULUMI_AWS_JOURNAL": str(self.folder / "journal"),
            "PULUMI_HOME": str(self.folder / "pulumi"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "of the tests",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "HANDLER_ZIP": str(self.zip),
        }

    def run(self, *command, given=None, ok=True, cwd=None, **changes):
        """Runs a command; a variable changed to None is unset. Returns what it printed."""
        environment = {key: value for key, value in {**self.environment, **changes}.items() if value is not None}
        done = subprocess.run(
            command, cwd=cwd or self.root, env=environment, input=given, capture_output=True, text=True, timeout=PATIENCE, stdin=None
        )
        if ok and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def pulumi(self, *arguments, project=".", **options):
        return self.run("pulumi", "--cwd", str(self.root / project), "--non-interactive", *arguments, **options)

    def deploy(self, *arguments, **options):
        return self.run(str(self.root / "nix/deploy.sh"), *arguments, **options)

    def edit(self, name, old, new):
        path = self.root / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new))

    def add_domain(self, stack, zone):
        text = (ROOT / "domain/Pulumi.example.yaml").read_text()
        text = text.replace("tunnel.example.com", DOMAIN).replace("Z0123456789ABCDEFGHIJ", zone)
        (self.root / f"domain/Pulumi.{stack}.yaml").write_text(text)

    def aws(self, service):
        return boto3.client(service, region_name=REGION, endpoint_url=self.endpoint, **KEYS)

    def journal(self):
        """Every call that changed something, in order."""
        return [json.loads(line) for line in (self.folder / "journal").read_text().splitlines()]


class Deployment:
    """One stack, brought up by the engine's own commands, with or without a domain."""

    def __init__(self, checkout, stack, with_domain):
        self.checkout, self.stack, self.with_domain = checkout, stack, with_domain
        route53 = checkout.aws("route53")
        self.zone = route53.create_hosted_zone(Name="example.com", CallerReference="tests")["HostedZone"]["Id"].split("/")[-1]
        if with_domain:
            checkout.add_domain(stack, self.zone)
        self.untouched = self.inventory()

    def projects(self):
        return [".", "domain"] if self.with_domain else ["."]

    def up(self):
        """Preview, up, and up again, which must find nothing to do."""
        for project in self.projects():
            self.checkout.pulumi("stack", "select", "--create", self.stack, project=project)
            if project == ".":
                self.checkout.pulumi("config", "set", "--secret", "token", given=TOKEN)
            before = self.inventory()
            self.checkout.pulumi("preview", project=project)
            assert self.inventory() == before, "a preview made something"
            self.checkout.pulumi("up", "--yes", "--skip-preview", project=project)
            self.checkout.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", project=project)

    def destroy(self):
        for project in reversed(self.projects()):
            self.checkout.pulumi("destroy", "--yes", "--skip-preview", project=project)

    @functools.cache
    def outputs(self, project="."):
        """Read once: nothing changes them between `up` and the end."""
        return json.loads(self.checkout.pulumi("stack", "output", "--json", project=project).stdout)

    def aws(self, service):
        return self.checkout.aws(service)

    def function(self):
        return self.aws("lambda").get_function(FunctionName=self.outputs()["handlerName"])

    def inventory(self):
        """Names of all that there is, by kind."""
        zone = self.aws("route53").list_resource_record_sets(HostedZoneId=self.zone)
        apis = self.aws("apigatewayv2")
        return {
            "tables": self.aws("dynamodb").list_tables()["TableNames"],
            "functions": [item["FunctionName"] for item in self.aws("lambda").list_functions()["Functions"]],
            "apis": [item["ApiId"] for item in apis.get_apis()["Items"]],
            "domains": [item["DomainName"] for item in apis.get_domain_names()["Items"]],
            "roles": [item["RoleName"] for item in self.aws("iam").list_roles()["Roles"]],
            "logs": [item["logGroupName"] for item in self.aws("logs").describe_log_groups()["logGroups"]],
            "topics": [item["TopicArn"] for item in self.aws("sns").list_topics()["Topics"]],
            "alarms": [item["AlarmName"] for item in self.aws("cloudwatch").describe_alarms()["MetricAlarms"]],
            "dashboards": [item["DashboardName"] for item in self.aws("cloudwatch").list_dashboards()["DashboardEntries"]],
            "certificates": [item["CertificateArn"] for item in self.aws("acm").list_certificates()["CertificateSummaryList"]],
            "records": [(item["Name"], item["Type"]) for item in zone["ResourceRecordSets"]],
        }
