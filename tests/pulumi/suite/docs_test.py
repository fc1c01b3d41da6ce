"""docs/deploy.md is true: its commands run, one after the other, and its table of settings is the program's."""

import re

import pytest
import yaml

import harness

PAGE = (harness.ROOT / "docs/deploy.md").read_text()


def _tools(checkout):
    """`nix run .#deploy -- …` as the flake wires it, which tests of the flake show, and an `aws` that reads AWS_REGION as version 2 does."""
    tools = checkout.folder / "tools"
    tools.mkdir()
    nix = f'[ "$1 $2 $3" = "run .#deploy --" ] || exit 64\nshift 3\nexec {checkout.root}/nix/deploy.sh "$@"'
    aws = f'AWS_DEFAULT_REGION=$AWS_REGION exec {harness.TOOLS}/venv/bin/aws "$@"'
    for name, text in (("nix", nix), ("aws", aws)):
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    return f"{tools}:{checkout.environment['PATH']}"


class Page:
    @pytest.mark.engine
    def every_command_runs(self, checkout):
        checkout.aws("route53").create_hosted_zone(Name="example.com", CallerReference="docs")
        for name in ("domain/Pulumi.example.yaml", ".gitignore"):
            (checkout.root / name).write_text((harness.ROOT / name).read_text())
        git = "git -c user.name=t -c user.email=t@example.com"
        checkout.run("sh", "-c", f"git add . && {git} commit -qm t && git clone -q --bare . ../origin && git remote add origin ../origin")
        checkout.run("sh", "-c", "git fetch -q && git branch -q --set-upstream-to origin/$(git branch --show-current)")
        commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
        assert commands.count("nix run") > 15
        unset = {"AWS_REGION": None, "PULUMI_CONFIG_PASSPHRASE": None, "PULUMI_BACKEND_URL": None}
        identity = {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.com", "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com"}
        checkout.run("bash", "-euxo", "pipefail", "-c", commands, PATH=_tools(checkout), **unset, **identity)
        assert checkout.aws("lambda").list_functions()["Functions"] == []
        assert checkout.aws("apigatewayv2").get_domain_names()["Items"] == []

    def the_table_of_settings_is_the_programs(self):
        config = yaml.safe_load((harness.ROOT / "Pulumi.yaml").read_text())["config"]
        meant = {name: str(entry["default"]).replace("False", "false") for name, entry in config.items() if ":" not in name}
        table = dict(re.findall(r"^\| `(\w+)` \| *(\S*) *\|", PAGE, re.MULTILINE))
        assert table == meant
