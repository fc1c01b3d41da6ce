"""Checks answers of the inspector against its OpenAPI file: python openapi.py openapi.json answers.json"""

import json
import sys

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

spec = json.load(open(sys.argv[1]))
answers = json.load(open(sys.argv[2]))
registry = Registry().with_resource("spec", Resource(contents=spec, specification=DRAFT202012))


def check(schema, value, what):
    # References in the file are to the file itself.
    text = json.dumps(schema).replace('"#/', '"spec#/')
    Draft202012Validator(json.loads(text), registry=registry).validate(value)
    print("fits:", what)


assert spec["openapi"].startswith("3.1."), spec["openapi"]
for schema in spec["components"]["schemas"].values():
    Draft202012Validator.check_schema(schema)

seen = set()
for answer in answers:
    what = f"{answer['method']} {answer['path']} {answer['status']}"
    operation = spec["paths"][answer["path"]][answer["method"]]
    documented = operation["responses"].get(str(answer["status"])) or operation["responses"].get("4XX")
    assert documented, f"{what} is not documented"
    if "$ref" in documented:
        documented = spec["components"]["responses"][documented["$ref"].rsplit("/", 1)[1]]
    kind = answer["type"].split(";")[0]
    assert kind in documented["content"], f"{what} has the type {kind}"
    if kind == "application/json":
        check(documented["content"][kind]["schema"], answer["json"], what)
    if answer["status"] == 200 and answer["sent"] is not None:
        check(operation["requestBody"]["content"]["application/json"]["schema"], answer["sent"], what + ", what was sent")
    seen.add((answer["method"], answer["path"]))

streams = {("get", "/api/events")}
documented = {(method, path) for path, item in spec["paths"].items() for method in item if method != "parameters"}
assert documented - streams == seen, f"documented and not asked, or the reverse: {(documented - streams) ^ seen}"
