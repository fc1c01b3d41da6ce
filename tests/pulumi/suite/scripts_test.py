"""The shell scripts of the infrastructure."""

import subprocess

import pytest

import harness

SCRIPTS = ("nix/deploy.sh", "tests/pulumi/run", "tests/pulumi/stack", "tests/pulumi/provider/pulumi-resource-aws")


class Scripts:
    @pytest.mark.parametrize("script", SCRIPTS)
    def shellcheck_finds_nothing(self, script):
        done = subprocess.run([harness.TOOLS / "venv/bin/shellcheck", harness.ROOT / script], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "")
