"""Whether a value fits a Pulumi type: nothing unknown, nothing missing, nothing of another type.

Stricter than the real provider, which turns "256" into 256 and back where it can.
"""

from schema import ANY

ARCHIVE, ASSET = "0def7320c3a5731c473e5ecbe6d01bc7", "c44067f5952c0a294b673a41bacd8c17"
SIGNATURE = "4dabf18193072939515e22adb298388d"


def fits(found, wanted):
    """Whether an expression of one type may stand where another is wanted."""
    if ANY in (found, wanted) or found == wanted:
        return True
    if wanted.get("type") == "number":
        return found.get("type") == "integer"
    if wanted.get("type") == "array" and found.get("type") == "array":
        return fits(found["items"], wanted["items"])
    return False


class Checker:
    """`type_of` names the type of a value that is an expression, and is None for a plain one."""

    def __init__(self, wheel, type_of):
        self.wheel, self.type_of = wheel, type_of

    def members(self, where, members, value):
        """Problems of an object with these members."""
        problems = [f"{where}: no property {name}" for name in value if name not in members]
        problems += [f"{where}: {name} is required" for name, member in members.items() if member.required and name not in value]
        for name, inner in value.items():
            if name in members:
                problems += self.value(f"{where}.{name}", members[name].type, inner)
        return problems

    def value(self, where, wanted, value):
        found = self.type_of(value)
        if found is not None:
            return [] if fits(found, wanted) else [f"{where}: is {shown(found)}, not {shown(wanted)}"]
        reference = wanted.get("$ref", "")
        if reference.startswith("#/types/"):
            if not isinstance(value, dict):
                return [f"{where}: {value!r} is not an object"]
            return self.members(where, self.wheel.nested(reference), value)
        return self._plain(where, wanted, value)

    def _plain(self, where, wanted, value):
        kind = wanted.get("type")
        if kind == "array" and isinstance(value, list):
            return [p for i, item in enumerate(value) for p in self.value(f"{where}[{i}]", wanted["items"], item)]
        if kind == "object" and isinstance(value, dict):
            return [p for name, item in value.items() for p in self.value(f"{where}.{name}", wanted["additionalProperties"], item)]
        if wanted == ANY or (plain_fits(kind, value) if kind else wanted["$ref"] == special(value)):
            return []
        return [f"{where}: {value!r} is not {shown(wanted)}"]


def plain_fits(kind, value):
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, (int, float)):
        return kind == "number" or kind == "integer" and value == int(value)
    return kind == "string" and isinstance(value, str)


def special(value):
    """Files and archives, as the engine hands them over."""
    if not isinstance(value, dict):
        return None
    return {ARCHIVE: "pulumi.json#/Archive", ASSET: "pulumi.json#/Asset"}.get(value.get(SIGNATURE))


def shown(type_spec):
    return type_spec.get("type") or type_spec["$ref"].split("/")[-1]
