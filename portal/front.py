"""Pages that everyone may see: what this is, and the API's documentation from its own schema."""

import json
from functools import cache
from typing import Any, Final, NamedTuple

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from keys.codes import MEANING, Code
from portal.core import configuration
from portal.core.health import reading
from portal.core.problem_codes import PROBLEMS
from portal.openapi import document

OPEN: Final = SafeString("<code>")
CLOSE: Final = SafeString("</code>")
METHODS: Final = ("get", "post", "put", "patch", "delete")
TAGS: Final = {
    "check": "The check path",
    "keys": "Keys",
    "limits": "Limits",
    "usage": "Usage",
    "members": "Members",
    "audit": "Audit",
}


class Member(NamedTuple):
    """A line of a table of members, parameters or headers."""

    name: str
    kind: str
    required: bool
    description: SafeString


class Answer(NamedTuple):
    """A line of an operation's answers."""

    status: str
    description: SafeString
    shape: str


class Operation(NamedTuple):
    """One method of one path."""

    id: str
    method: str
    path: str
    summary: str
    paragraphs: list[SafeString]
    parameters: list[Member]
    takes: str
    answers: list[Answer]
    example: str


class Shape(NamedTuple):
    """A named schema."""

    name: str
    description: SafeString
    members: list[Member]


def marked(text: str) -> SafeString:
    """`text` escaped, with what stands between backticks as code."""
    parts = enumerate(text.split("`"))
    return format_html_join(
        "",
        "{}{}{}",
        ((OPEN, part, CLOSE) if place % 2 else ("", part, "") for place, part in parts),
    )


def kind_of(schema: dict[str, Any]) -> str:
    """A schema in a few words: `array of string`, `Limit`, `integer or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "allOf" in schema:
        words = kind_of(schema["allOf"][0])
    elif schema.get("type") == "array":
        words = f"array of {kind_of(schema['items'])}"
    elif "enum" in schema and len(schema["enum"]) <= 6:
        words = " | ".join(map(str, schema["enum"]))
    else:
        words = str(schema.get("format") or schema.get("type", "any"))
    return f"{words} or null" if schema.get("nullable") else words


def _shape_of(content: dict[str, Any]) -> str:
    for body in content.values():
        if "schema" in body:
            return kind_of(body["schema"])
    return ""


def _parameters(operation: dict[str, Any]) -> list[Member]:
    return [
        Member(
            each["name"],
            f"{each['in']}, {kind_of(each['schema'])}",
            bool(each.get("required")),
            marked(each.get("description", "")),
        )
        for each in operation.get("parameters", [])
    ]


def _operation(path: str, method: str, told: dict[str, Any]) -> Operation:
    taken = told.get("requestBody", {}).get("content", {})
    examples = [body["example"] for body in taken.values() if "example" in body]
    return Operation(
        id=told["operationId"],
        method=method.upper(),
        path=path,
        summary=told.get("summary", ""),
        paragraphs=[marked(part) for part in told.get("description", "").split("\n\n")],
        parameters=_parameters(told),
        takes=_shape_of(taken),
        answers=[
            Answer(
                status, marked(answer.get("description", "")), _shape_of(answer.get("content", {}))
            )
            for status, answer in sorted(told["responses"].items())
        ],
        example=json.dumps(examples[0], indent=2, ensure_ascii=False) if examples else "",
    )


def _shape(name: str, schema: dict[str, Any]) -> Shape:
    required = schema.get("required", [])
    members = [
        Member(member, kind_of(told), member in required, marked(told.get("description", "")))
        for member, told in schema.get("properties", {}).items()
        if member != "code" or name != "Decision"
    ]
    return Shape(name, marked(schema.get("description", "")), members)


@cache
def reference() -> dict[str, Any]:
    """The documentation page's context, made once from the schema."""
    schema = document()
    groups: dict[str, list[Operation]] = {tag: [] for tag in TAGS}
    for path, methods in schema["paths"].items():
        for method in METHODS:
            if method in methods:
                told = methods[method]
                groups.setdefault(told["tags"][0], []).append(_operation(path, method, told))
    return {
        "groups": [(tag, TAGS.get(tag, tag), found) for tag, found in groups.items() if found],
        "shapes": [_shape(*each) for each in sorted(schema["components"]["schemas"].items())],
        "problems": [
            (code, *problem[:2], marked(problem.detail)) for code, problem in PROBLEMS.items()
        ],
        "codes": [(code.name, code.status, MEANING[code]) for code in reversed(Code)],
        "base_url": configuration.BASE_URL().rstrip("/"),
    }


@reading
def home(request: HttpRequest) -> HttpResponse:
    """What this is, and where to read on."""
    return render(request, "home.html", {"base_url": configuration.BASE_URL().rstrip("/")})


@reading
def docs(request: HttpRequest) -> HttpResponse:
    """The documentation, rendered here: no foreign asset, no inline code."""
    response = render(request, "docs/reference.html", reference())
    response["Cache-Control"] = "public, max-age=300"
    return response


@reading
def openapi(request: HttpRequest) -> HttpResponse:
    """The schema for programs."""
    answer = JsonResponse(document(), json_dumps_params={"ensure_ascii": False})
    answer["Cache-Control"] = "public, max-age=300"
    return answer
