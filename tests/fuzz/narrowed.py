"""The schema, with what exists here in place of "any text", so that its examples reach the verbs.

Only what may be sent is narrowed; what is answered is held against the schema as it is published.
"""

from copy import deepcopy
from typing import Any

Values = dict[str, list[str]]
"""What may stand for a parameter or a member, by its name; ids by `id of keys`, `id of limits`, …

Nothing: it is left out."""


def _one_of(values: list[str]) -> dict[str, Any]:
    return {"type": "string", "enum": values}


def _narrow(members: dict[str, Any], values: Values) -> None:
    for name, told in [*members.items()]:
        if values.get(name) == []:
            del members[name]
        elif "properties" in told:
            _narrow(told["properties"], values)
        elif told.get("type") == "array" and name in values:
            told["items"] = _one_of(values[name])
        elif name in values:
            members[name] = _one_of(values[name])


def ids_in(path: str) -> str:
    """What the ids in this path are."""
    if "/members" in path:
        return "id of members"
    return "id of limits" if "/limits" in path else "id of keys"


def narrowed(document: dict[str, Any], values: Values) -> dict[str, Any]:
    """The document for requests of these values."""
    found = deepcopy(document)
    for path, operations in found["paths"].items():
        here = values | {"id": values[ids_in(path)], "key": values["id of keys"]}
        for operation in operations.values():
            asked = operation.get("parameters", [])
            asked[:] = [each for each in asked if here.get(each["name"], True)]
            for parameter in asked:
                if parameter["name"] in here:
                    parameter["schema"] = _one_of(here[parameter["name"]])
                if parameter["name"] == "x-api-key":  # else half of the requests bring no key
                    parameter["required"] = True
    shapes = found["components"]["schemas"]
    shapes["NewLimit"] = deepcopy(shapes["Limit"])
    for shape in ("NewKey", "KeyPatch"):
        shapes[shape]["properties"]["limits"]["items"] = {"$ref": "#/components/schemas/NewLimit"}
    for shape in ("NewKey", "KeyPatch", "NewLimit", "Reason", "Question"):
        _narrow(shapes[shape]["properties"], values)
    usage = shapes["Question"]["properties"]["usage"]
    amounts = usage.pop("additionalProperties")
    usage.update(properties=dict.fromkeys(["requests", "tokens"], amounts))
    usage.update(additionalProperties=False)
    return found
