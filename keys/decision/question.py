"""What a gateway asks, parsed strictly: what is not understood is refused, never ignored."""

import json
import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from keys.decision.addresses import Address, address
from portal.core.logs import TOKEN

LARGEST_BODY: Final = 16 * 1024
UNIT: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
Units = dict[str, Annotated[int, Meta(ge=0, le=10**12)]]
ONE_REQUEST: Final = {"requests": 1}


class Facts(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What the gateway saw of the request that it asks about."""

    method: Annotated[str, Meta(max_length=32)] | None = None
    path: Annotated[str, Meta(max_length=4096)] | None = None
    ip: Annotated[str, Meta(max_length=64)] | None = None
    model: Annotated[str, Meta(max_length=128)] | None = None


NO_FACTS: Final = Facts()


class Question(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The body of POST /v1/keys/check."""

    key: str
    scopes: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=64)] = []
    request: Facts | None = None
    usage: Annotated[Units, Meta(max_length=16)] | None = None
    subject: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    purpose: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    gpc: bool = False
    environment: Literal["live", "test"] | None = None
    dry_run: bool = False

    def __repr__(self) -> str:
        return "<Question>"  # it holds a key, and a traceback may show it


class Ask(msgspec.Struct, gc=False):
    """A question in the decision's own terms, whichever dialect it came in."""

    key: str
    scopes: list[str]
    usage: dict[str, int]
    method: str | None = None
    path: str | None = None
    ip: Address | None = None
    model: str | None = None
    subject: str | None = None
    purpose: str | None = None
    environment: str | None = None
    dry_run: bool = False

    def __repr__(self) -> str:
        return "<Ask>"  # it holds a key, and a traceback may show it


class Invalid(Exception):
    """The question can't be understood. `pointer` (RFC 6901) names the member at fault."""

    def __init__(self, detail: str, pointer: str) -> None:
        super().__init__(detail)
        self.detail, self.pointer = detail, pointer


_decoder = msgspec.json.Decoder(Question)
_WHERE: Final = re.compile(
    r"^(?P<detail>.*?)(?: - at `(?P<place>(?:key in )?\$[^`]*)`)?$", re.DOTALL
)
_FIELD: Final = re.compile(r"`(?P<name>[^`]*)`$")


class _Duplicate(ValueError):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _Duplicate


_scan = json.JSONDecoder(object_pairs_hook=_no_duplicates).raw_decode


def _surely_single(body: bytes, question: Question) -> bool:
    """Whether counting alone proves that no member is given twice; False: look closely.

    Without a backslash in the body, every colon of it either stands in a string that was read or
    dropped, or separates a member. What was read accounts for so many; a dropped member needs one
    more at least. Members that say no more than the default also lead to the closer look.
    """
    if b"\\" in body:
        return False
    colons = 1 + question.key.count(":")
    for text in (question.subject, question.purpose, question.environment):
        if text is not None:
            colons += 1 + text.count(":")
    if question.scopes:
        colons += 1 + "".join(question.scopes).count(":")
    if question.usage is not None:
        colons += 1 + len(question.usage) + "".join(question.usage).count(":")
    facts = question.request
    if facts is not None:
        colons += 1
        for text in (facts.method, facts.path, facts.ip, facts.model):
            if text is not None:
                colons += 1 + text.count(":")
    return body.count(b":") == colons + question.gpc + question.dry_run


def _pointer(place: str | None) -> str:
    """msgspec's `$.scopes[0]` as `/scopes/0`; a place that could repeat a secret is left out."""
    if not place or place.startswith("key in"):
        return "/usage" if place else ""
    path = place[1:].replace("[...]", "").replace("[", "/").replace("]", "").replace(".", "/")
    return "" if TOKEN.search(path) or len(path) > 100 else path


def _explain(error: msgspec.ValidationError) -> Invalid:
    match = _WHERE.match(str(error))
    assert match is not None, "the pattern matches any text"
    detail, pointer = match["detail"], _pointer(match["place"])
    field = _FIELD.search(detail)
    if field and detail.startswith(("Object contains unknown field", "Object missing required")):
        name = field["name"]
        shown = len(name) <= 64 and name.isprintable() and not TOKEN.search(name)
        if detail.startswith("Object contains"):
            return Invalid("There is no such member.", f"{pointer}/{name}" if shown else pointer)
        return Invalid("This member is required.", f"{pointer}/{name}")
    # msgspec repeats the value of an enum; it may be anything, and long.
    return Invalid("Not one of the values taken." if "enum value" in detail else detail, pointer)


def parse(body: bytes) -> Ask:
    """Read a check's body; raises Invalid with the member's pointer, never with its value."""
    try:
        question = _decoder.decode(body)
        # msgspec keeps the last of two equal members silently; a proxy in front may keep the first.
        if not _surely_single(body, question):
            _scan(body.decode().lstrip())
    except msgspec.ValidationError as error:
        raise _explain(error) from None
    except _Duplicate:
        raise Invalid("A member is given twice.", "") from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Invalid("This is not a JSON object in UTF-8.", "") from None
    return _ask(question)


def refuse_text(value: str | None, pointer: str) -> None:
    """Refuse what must not be kept: control and invisible characters, and credentials.

    These texts reach the decision log; a key that a client put into the wrong place must not.
    """
    if value is None:
        return
    if not value.isprintable():
        raise Invalid("Control and invisible characters are refused.", pointer)
    if TOKEN.search(value):
        raise Invalid("A credential does not belong here.", pointer)


def read_address(text: str, pointer: str) -> Address:
    """An address that someone stated; raises Invalid."""
    try:
        return address(text)
    except ValueError:
        raise Invalid("This is not an IP address.", pointer) from None


def _ask(question: Question) -> Ask:
    facts = question.request or NO_FACTS
    # One look at all of them; which one it was is asked only when there is one.
    scopes = " ".join(question.scopes)
    together = f"{facts.model} {facts.method} {question.subject} {question.purpose} {scopes}"
    if not together.isprintable() or "_live_" in together or "_test_" in together:
        refuse_text(facts.model, "/request/model")
        refuse_text(facts.method, "/request/method")
        refuse_text(question.subject, "/subject")
        refuse_text(question.purpose, "/purpose")
        refuse_text(scopes, "/scopes")
    usage = ONE_REQUEST if question.usage is None else question.usage
    for unit in usage:
        if unit != "requests" and not UNIT.fullmatch(unit):
            raise Invalid(
                "A unit is a-z, 0-9 and _, at most 32, and begins with a letter.", "/usage"
            )
    if question.subject is not None and question.purpose is None and facts.path is None:
        raise Invalid("A subject needs a purpose, stated or the route's default.", "/purpose")
    return Ask(
        key=question.key,
        scopes=question.scopes,
        method=facts.method,
        path=facts.path,
        ip=None if facts.ip is None else read_address(facts.ip, "/request/ip"),
        model=facts.model,
        usage=usage,
        subject=question.subject,
        purpose=question.purpose,
        environment=question.environment,
        dry_run=question.dry_run,
    )
