"""names.py CONFIG.RS...: the environment that the handler reads is the environment that Pulumi.yaml sets, no name more or less.

A name is a string literal "TUNNEL_…" outside of comments.
"""

import pathlib
import re
import sys

import yaml

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "Pulumi.yaml"


def names_read(path):
    code = [line for line in pathlib.Path(path).read_text().splitlines() if not line.lstrip().startswith("//")]
    return set(re.findall(r'"(TUNNEL_[A-Z0-9_]+)"', "\n".join(code)))


def names_set():
    variables = yaml.safe_load(PROGRAM.read_text())["resources"]["handler"]["properties"]["environment"]["variables"]
    return {name for name in variables if name.startswith("TUNNEL_")}


def problems(paths):
    missing = [path for path in paths if not pathlib.Path(path).is_file()]
    if missing:
        return [f"{path}: no such file, so nothing can be said about the handler's environment" for path in missing]
    read = set().union(*map(names_read, paths))
    found = [f"the handler reads {name}, which Pulumi.yaml does not set" for name in sorted(read - names_set())]
    return found + [f"Pulumi.yaml sets {name}, which the handler does not read" for name in sorted(names_set() - read)]


if __name__ == "__main__":
    found = problems(sys.argv[1:])
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    sys.exit(1 if found else 0)
