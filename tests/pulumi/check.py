"""check.py WHEEL PROGRAM...: a Pulumi YAML program against the real AWS provider's types, in about a second.

Types of resources, unknown and required properties, types of values and of `${references}`, unknown names, configuration
that nobody reads, and stack files that set what the program does not have.
"""

import pathlib
import re
import sys

import yaml

from schema import ANY, Wheel
from typecheck import Checker

STRING = {"type": "string"}
FUNCTIONS = {
    "fn::join": STRING,
    "fn::toJSON": STRING,
    "fn::secret": STRING,
    "fn::fromBase64": STRING,
    "fn::select": ANY,
    "fn::split": {"type": "array", "items": STRING},
    "fn::fileArchive": {"$ref": "pulumi.json#/Archive"},
}
PULUMI = {"cwd", "organization", "project", "rootDirectory", "stack"}
OPTIONS = {"dependsOn", "protect", "deleteBeforeReplace", "ignoreChanges", "retainOnDelete", "parent", "provider", "version"}
# The rest of the provider's settings is checked by the provider.
PROVIDER_SETTINGS = {"region", "profile", "defaultTags", "assumeRoles", "allowedAccountIds"}
REFERENCE = re.compile(r"(?<!\$)\$\{([^}]+)\}")


class Program:
    """One Pulumi.yaml."""

    def __init__(self, path, wheel):
        self.path, self.wheel = pathlib.Path(path), wheel
        self.source = yaml.safe_load(self.path.read_text())
        # Names with a namespace are settings of the engine or the provider.
        self.config = {name: entry for name, entry in self.source.get("config", {}).items() if ":" not in name}
        self.resources = self.source["resources"]
        self.checker = Checker(wheel, self.type_of)

    def problems(self):
        found = [p for name, resource in self.resources.items() for p in self._resource(name, resource)]
        found += [p for p in map(self._reference_problem, self._references()) if p]
        found += [f"config.{name}: nothing reads it" for name in self.config if name not in self._heads()]
        found += [p for name, entry in self.config.items() for p in self._config(name, entry)]
        found += [p for stack in sorted(self.path.parent.glob("Pulumi.*.yaml")) for p in self._stack(stack)]
        return [f"{self.path}: {problem}" for problem in found]

    def _resource(self, name, resource):
        problems = [f"{name}: no option {o}" for o in resource.get("options", {}) if o not in OPTIONS]
        if resource["type"] == "pulumi:pulumi:StackReference":
            return problems
        inputs = self.wheel.inputs(resource["type"])
        if inputs is None:
            return [*problems, f"{name}: no type {resource['type']}"]
        return problems + self.checker.members(name, inputs, resource.get("properties", {}))

    def _config(self, name, entry):
        """Pulumi's own check of a default is loose, and says nothing about a missing type."""
        wanted = {"type": entry.get("type")}
        if wanted["type"] not in ("string", "integer", "boolean"):
            return [f"config.{name}: {wanted['type']} is no type that the CLI and the language host both know"]
        return self.checker.value(f"config.{name}", wanted, entry["default"]) if "default" in entry else []

    def _stack(self, path):
        settings, project = yaml.safe_load(path.read_text())["config"], self.source["name"]
        for key, value in settings.items():
            namespace, _, name = key.partition(":")
            if namespace == "aws" and name in PROVIDER_SETTINGS:
                continue
            if namespace != project or name not in self.config:
                yield f"{path.name}: {self.path} has no setting {key}"
            elif not isinstance(value, (str, dict)):
                yield f"{path.name}: {key} must be written as a string"

    def _references(self):
        parts = [self.source.get(part, {}) for part in ("variables", "resources", "outputs")]
        return [reference for part in parts for text in texts(part) for reference in REFERENCE.findall(text)]

    def _heads(self):
        return {re.split(r"[.\[]", reference)[0] for reference in self._references()}

    def _reference_problem(self, reference):
        try:
            self.reference_type(reference)
        except LookupError as error:
            return f"${{{reference}}}: {error.args[0]}"

    def type_of(self, value):
        """The type of an expression; None for a plain value."""
        if isinstance(value, dict):
            return next((FUNCTIONS.get(key, ANY) for key in value if key.startswith("fn::")), None)
        if not isinstance(value, str) or not REFERENCE.search(value):
            return None
        whole = REFERENCE.fullmatch(value)
        if not whole:
            return STRING
        try:
            return self.reference_type(whole[1])
        except LookupError:
            return ANY  # said once, by _reference_problem

    def reference_type(self, reference):
        if "'" in reference:
            raise LookupError("Pulumi YAML reads an index in double quotes only")
        head, *path = re.findall(r'[^.\[\]"]+', reference)
        if head == "pulumi" and path and path[0] in PULUMI:
            return STRING
        if head in self.config:
            return {"type": self.config[head].get("type")}
        if head in self.source.get("variables", {}):
            return ANY
        if head not in self.resources:
            raise LookupError(f"nothing is called {head}")
        return self._output_type(self.resources[head]["type"], path)

    def _output_type(self, token, path):
        if not path or not token.startswith("aws:"):
            return ANY
        outputs = self.wheel.outputs(token) or {}
        if path[0] in ("id", "urn"):
            return STRING
        if path[0] not in outputs:
            raise LookupError(f"no output {path[0]}")
        return self._inner_type(outputs[path[0]].type, path[1:])

    def _inner_type(self, found, path):
        for step in path:
            if found.get("type") == "array" and step.isdigit():
                found = found["items"]
                continue
            members = self.wheel.nested(found["$ref"]) if found.get("$ref", "").startswith("#/types/") else {}
            if step not in members:
                raise LookupError(f"no output {step}")
            found = members[step].type
        return found


def texts(value):
    """All strings of a program, at any depth."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in inner for text in texts(item)]


def problems(wheel, programs):
    return [problem for path in programs for problem in Program(path, wheel).problems()]


def main(wheel, *programs):
    found = problems(Wheel(wheel), programs)
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
