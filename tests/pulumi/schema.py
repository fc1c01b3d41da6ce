"""What the real AWS provider takes and gives, read from the sources of PyPI's pulumi-aws (never from a copy of ours).

`Wheel(folder)` answers for one resource type: its inputs and outputs as Pulumi schema types, nested types included.
`schema.py WHEEL PROGRAM...` prints a package schema of the types that these programs use, and `Package(schema)` answers the
same questions from that, in milliseconds.
"""

import ast
import functools
import json
import pathlib
import re
import sys

import yaml

ANY = {"$ref": "pulumi.json#/Any"}
PLAIN = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
SPECIAL = {"Archive": "pulumi.json#/Archive", "Asset": "pulumi.json#/Asset"}


class Property:
    """One input or output: `type` is a Pulumi type spec, `required` says whether it must be given."""

    def __init__(self, type_spec, required):
        self.type, self.required = type_spec, required


class Wheel:
    """The classes of an unpacked pulumi-aws package."""

    def __init__(self, folder):
        self.root = pathlib.Path(folder) / "pulumi_aws"
        if not self.root.is_dir():
            raise SystemExit(f"no pulumi_aws in {folder}: tests/pulumi/run installs it")

    def inputs(self, token):
        """Inputs of a resource by name, or None if there is no such type."""
        module, name = split(token)
        if name == "Provider":
            return self._members("", "provider.py", "ProviderArgs")
        return self._members(module, file_of(name), name + "Args")

    def outputs(self, token):
        module, name = split(token)
        return self._members(module, file_of(name), name)

    def nested(self, reference):
        """The members of a nested type, by the `$ref` that this module makes."""
        module, kind = re.fullmatch(r"#/types/aws:(\w*)/(\w+):\w+", reference).groups()
        file = "_inputs.py" if kind.endswith("Args") else "outputs.py"
        return self._members(python_module(module), file, kind) or {}

    @functools.cache
    def _classes(self, module, file):
        path = self.root / module / file
        tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
        return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}

    @functools.cache
    def _members(self, module, file, name):
        node = self._classes(module, file).get(name)
        return None if node is None else dict(self._properties(module, node))

    def _properties(self, module, node):
        for function in node.body:
            if isinstance(function, ast.FunctionDef) and any(ast.unparse(d).endswith("property") for d in function.decorator_list):
                yield pulumi_name(function), self._property(module, function.returns)

    def _property(self, module, annotation):
        text = ast.unparse(annotation)
        optional = bool(re.match(r"(pulumi\.(Input|Output)\[)?Optional\[", text))
        return Property(self._type(module, annotation), not optional)

    def _type(self, module, node):
        """A Python annotation as a Pulumi type spec."""
        if isinstance(node, ast.Constant):
            return self._reference(module, node.value)
        if isinstance(node, ast.Subscript):
            return self._generic(module, ast.unparse(node.value).split(".")[-1], node.slice)
        name = ast.unparse(node).split(".")[-1]
        if name in PLAIN:
            return {"type": PLAIN[name]}
        return {"$ref": SPECIAL[name]} if name in SPECIAL else ANY

    def _generic(self, module, name, argument):
        if name in ("Input", "Output", "Optional"):
            return self._type(module, argument)
        if name == "Sequence":
            return {"type": "array", "items": self._type(module, argument)}
        if name == "Mapping":
            return {"type": "object", "additionalProperties": self._type(module, argument.elts[1])}
        if name == "Union":  # a string or one of an enumeration's members, which are strings
            return self._type(module, argument.elts[0])
        return ANY

    def _reference(self, module, name):
        prefix, _, kind = name.rpartition(".")
        home = prefix.lstrip("_") if prefix.startswith("_") else module
        file = "_inputs.py" if kind.endswith("Args") else "outputs.py"
        if kind not in self._classes(home, file):
            return {"type": "string"} if not prefix else ANY  # an enumeration, or a type of another shape
        return {"$ref": f"#/types/aws:{home.rstrip('_')}/{kind}:{kind}"}


class Package:
    """The same answers from a package schema."""

    def __init__(self, schema):
        self.schema = schema

    def inputs(self, token):
        home = self.schema["provider"] if token == "aws::Provider" else self.schema["resources"].get(full_token(token))
        return home and self._members(home, "inputProperties", "requiredInputs")

    def outputs(self, token):
        return self._members(self.schema["resources"][full_token(token)], "properties", "required")

    def nested(self, reference):
        return self._members(self.schema["types"][reference.removeprefix("#/types/")], "properties", "required")

    @staticmethod
    def _members(home, properties, required):
        return {name: Property(type_spec, name in home[required]) for name, type_spec in home[properties].items()}


def split(token):
    """`aws:lambda:Function` and `aws:lambda/function:Function` -> ("lambda_", "Function")."""
    _, module, name = token.split(":")
    return python_module(module.split("/")[0]), name


def python_module(module):
    return module + "_" if module == "lambda" else module


def file_of(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() + ".py"


def pulumi_name(function):
    """The getter's own name, unless its decorator renames it."""
    for decorator in function.decorator_list:
        for keyword in getattr(decorator, "keywords", []):
            if keyword.arg == "name":
                return keyword.value.value
    return function.name


def package(wheel, tokens):
    """A Pulumi package schema for these resource types, as the language host wants it."""
    types, resources = {}, {}
    for token in tokens:
        module, name = split(token)
        inputs, outputs = wheel.inputs(token), wheel.outputs(token)
        resources[full_token(token)] = {**described(wheel, outputs, types), **as_inputs(wheel, inputs, types)}
    provider = as_inputs(wheel, wheel.inputs("aws::Provider"), types)
    return {
        "name": "aws",
        "version": "7.51.1",
        "config": {"variables": provider["inputProperties"]},
        "provider": provider,
        "types": types,
        "resources": resources,
    }


def full_token(token):
    """`aws:lambda:Function` -> `aws:lambda/function:Function`, as states and programs name it."""
    package_name, module, name = token.split(":")
    return token if "/" in module else f"{package_name}:{module}/{name[0].lower() + name[1:]}:{name}"


def described(wheel, members, types):
    for member in members.values():
        collect(wheel, member.type, types)
    return {
        "properties": {name: member.type for name, member in members.items()},
        "required": sorted(name for name, member in members.items() if member.required),
    }


def as_inputs(wheel, members, types):
    body = described(wheel, members, types)
    return {"inputProperties": body["properties"], "requiredInputs": body["required"]}


def collect(wheel, type_spec, types):
    """Adds every nested type that this one needs."""
    for inner in ("items", "additionalProperties"):
        if inner in type_spec:
            collect(wheel, type_spec[inner], types)
    reference = type_spec.get("$ref", "")
    token = reference.removeprefix("#/types/")
    if reference.startswith("#/types/") and token not in types:
        types[token] = {"type": "object"}  # first, since types may be recursive
        types[token].update(described(wheel, wheel.nested(reference), types))


def main(wheel, *programs):
    resources = [r for path in programs for r in yaml.safe_load(pathlib.Path(path).read_text())["resources"].values()]
    tokens = sorted({r["type"] for r in resources if r["type"].startswith("aws:")})
    unknown = [token for token in tokens if Wheel(wheel).inputs(token) is None]
    if unknown:
        raise SystemExit(f"the AWS provider has no type {', '.join(unknown)}")
    json.dump(package(Wheel(wheel), tokens), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
