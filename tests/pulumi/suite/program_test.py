"""The programs fit the real provider's types, and what does not fit is refused: by the check, and by the engine with our provider."""

import json

import pytest
import yaml

import check
import harness
import schema

WHEEL = schema.Wheel(harness.TOOLS / "aws")
PROGRAMS = ("Pulumi.yaml", "domain/Pulumi.yaml")
WRONG = [
    ("Pulumi.yaml", "billingMode: PAY", "billingMod: PAY", "connections: no property billingMod"),
    ("Pulumi.yaml", "throttlingRateLimit:", "throttlingRate:", "wsStage.defaultRouteSettings: no property throttlingRate"),
    ("Pulumi.yaml", ", authorizationType: NONE", "", "functionUrl: authorizationType is required"),
    ("Pulumi.yaml", "{ name: name, type: S }", "{ name: name }", "connections.attributes[0]: type is required"),
    ("Pulumi.yaml", "architectures: [arm64]", "architectures: arm64", "handler.architectures: 'arm64' is not array"),
    ("Pulumi.yaml", "evaluationPeriods: 1", 'evaluationPeriods: "1"', "handlerErrors.evaluationPeriods: '1' is not integer"),
    ("Pulumi.yaml", "timeout: ${timeout}", "timeout: ${logLevel}", "handler.timeout: is string, not integer"),
    ("Pulumi.yaml", "memorySize: ${memorySize}", "memorySize: ${connections.arn}", "handler.memorySize: is string, not integer"),
    ("Pulumi.yaml", "aws:lambda:FunctionUrl", "aws:lambda:FunctionAddress", "functionUrl: no type aws:lambda:FunctionAddress"),
    ("Pulumi.yaml", "${role.arn}", "${role.arm}", "${role.arm}: no output arm"),
    ("Pulumi.yaml", "${role.arn}", "${rule.arn}", "${rule.arn}: nothing is called rule"),
    ("Pulumi.yaml", "default: 300", 'default: "300"', "config.timeout: '300' is not integer"),
    ("Pulumi.yaml", "type: integer, default: 300", "type: float, default: 300", "config.timeout: float is no type"),
    ("Pulumi.yaml", "RUST_LOG: ${logLevel}", "RUST_LOG: info", "config.logLevel: nothing reads it"),
    ("Pulumi.yaml", "dependsOn:", "dependOn:", "handler: no option dependOn"),
    ("Pulumi.prod.yaml", "http-tunnel:rate:", "http-tunnel:rates:", "has no setting http-tunnel:rates"),
    ("Pulumi.dev.yaml", 'burst: "100"', "burst: 100", "http-tunnel:burst must be written as a string"),
    ("domain/Pulumi.yaml", '["httpApiId"]', "['httpApiId']", "double quotes only"),
    ("domain/Pulumi.yaml", ".targetDomainName", ".targetName", "no output targetName"),
]


def _words(cases):
    return [f"{old.strip(' ,')[:24]} -> {new.strip()[:24]}" for _, old, new, _ in cases]


def _programs(root):
    return [root / name for name in PROGRAMS]


class TheCheck:
    def the_programs_fit(self):
        assert check.problems(WHEEL, _programs(harness.ROOT)) == []

    @pytest.mark.parametrize(("name", "old", "new", "said"), WRONG, ids=_words(WRONG))
    def it_refuses(self, checkout, name, old, new, said):
        checkout.edit(name, old, new)
        found = check.problems(WHEEL, _programs(checkout.root))
        assert any(said in problem for problem in found), found

    def the_providers_schema_is_of_the_programs_types(self):
        resources = [r["type"] for path in _programs(harness.ROOT) for r in yaml.safe_load(path.read_text())["resources"].values()]
        known = json.loads((harness.TOOLS / "schema.json").read_text())
        assert set(known["resources"]) == {schema.full_token(token) for token in resources if token.startswith("aws:")}
        assert known == schema.package(WHEEL, sorted({token for token in resources if token.startswith("aws:")}))


@pytest.mark.engine
class TheEngine:
    """With the tests' provider: what gets past the language host gets no further."""

    CASES = [
        ("billingMode: PAY", "billingMod: PAY", "billingMod"),
        ("evaluationPeriods: 1", "evaluationPeriods: one", "evaluationPeriods"),
        (', throttlingRateLimit: "${rate}"', "", "one limit alone sets the other to 0"),
        ("- { name: connectionId, type: S }", "- { name: connectionId, type: S }\n        - { name: expiresAt, type: N }", "attributes are"),
        ("      autoDeploy: true\n", "", "without autoDeploy"),
        ("${role.arn}", "${role.arm}", "arm"),
    ]

    @pytest.mark.parametrize(("old", "new", "said"), CASES, ids=[said for _, _, said in CASES])
    def it_refuses(self, checkout, old, new, said):
        checkout.edit("Pulumi.yaml", old, new)
        checkout.pulumi("stack", "select", "--create", "dev")
        done = checkout.pulumi("preview", ok=False)
        assert done.returncode != 0
        assert said in done.stdout + done.stderr

    def settings_of_the_wrong_type_are_refused(self, checkout):
        checkout.edit("Pulumi.dev.yaml", 'timeout: "300"', "timeout: five minutes")
        checkout.pulumi("stack", "select", "--create", "dev")
        done = checkout.pulumi("preview", ok=False)
        assert done.returncode != 0
        assert "timeout" in done.stdout + done.stderr
