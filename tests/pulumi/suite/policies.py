"""Whether IAM would allow a call: identity policies and a Lambda function's own policy, with the conditions that ours use."""

import fnmatch
import re


def listed(value):
    return value if isinstance(value, list) else [value]


def matches(pattern, text):
    """IAM's wildcards are * and ?; brackets stand for themselves."""
    return fnmatch.fnmatchcase(text, re.sub(r"\[", "[[]", pattern))


def applies(statement, action, resource):
    unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}
    assert not unknown, f"this evaluator does not know {unknown}"
    actions = [pattern.lower() for pattern in listed(statement["Action"])]
    return any(matches(p, action.lower()) for p in actions) and any(matches(p, resource) for p in listed(statement["Resource"]))


def allowed(document, action, resource):
    """The decision of one identity policy."""
    found = [s for s in document["Statement"] if applies(s, action, resource)]
    assert not any("Condition" in statement for statement in found), "conditions of identity policies are not evaluated here"
    return bool(found) and all(statement["Effect"] == "Allow" for statement in found)


def service_may(document, service, source):
    """Whether a service may invoke the function for this source."""
    return any(
        statement["Effect"] == "Allow"
        and statement["Action"] == "lambda:InvokeFunction"
        and statement["Principal"] == {"Service": service}
        and matches(statement["Condition"]["ArnLike"]["AWS:SourceArn"], source)
        for statement in document["Statement"]
        if "Condition" in statement
    )
