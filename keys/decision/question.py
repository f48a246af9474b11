"""What a gateway asks, parsed strictly: what is not understood is refused, never ignored."""

import json
import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from keys.decision.addresses import Address, address
from portal.core.logs import TOKEN

LARGEST_BODY: Final = 16 * 1024
UNIT: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
Units = dict[str, Annotated[int, Meta(ge=0, le=10**12)]]
ONE_REQUEST: Final = {"requests": 1}
USUAL: Final = frozenset({"requests", "tokens"})


class Facts(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What the gateway saw of the request that it asks about."""

    method: Annotated[str, Meta(max_length=32)] | UnsetType | None = UNSET
    path: Annotated[str, Meta(max_length=4096)] | UnsetType | None = UNSET
    ip: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    model: Annotated[str, Meta(max_length=128)] | UnsetType | None = UNSET


NO_FACTS: Final = Facts()


class Question(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The body of POST /v1/keys/check. UNSET: not said at all; null means the same."""

    key: str
    scopes: (
        Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=64)] | UnsetType
    ) = UNSET
    request: Facts | UnsetType | None = UNSET
    usage: Annotated[Units, Meta(max_length=16)] | UnsetType | None = UNSET
    subject: Annotated[str, Meta(min_length=1, max_length=256)] | UnsetType | None = UNSET
    purpose: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType | None = UNSET
    gpc: bool | UnsetType = UNSET
    environment: Literal["live", "test"] | UnsetType | None = UNSET
    dry_run: bool | UnsetType = UNSET

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

    Without a backslash no string holds a quote, so `":` stands behind a member's name and nowhere
    else; without white space before a colon it stands behind every one. Then it is there once for
    each member that was read, and once more for each that was dropped.
    """
    if b"\\" in body or b"\n" in body or b"\t" in body or b"\r" in body:
        return False
    if b" " in body and b" :" in body:
        return False
    members = (
        1  # the key
        + (question.scopes is not UNSET) + (question.request is not UNSET)
        + (question.usage is not UNSET) + (question.subject is not UNSET)
        + (question.purpose is not UNSET) + (question.gpc is not UNSET)
        + (question.environment is not UNSET) + (question.dry_run is not UNSET)
    )  # fmt: skip
    if question.usage:
        members += len(question.usage)
    facts = question.request
    if facts:
        members += (
            (facts.method is not UNSET) + (facts.path is not UNSET)
            + (facts.ip is not UNSET) + (facts.model is not UNSET)
        )  # fmt: skip
    return body.count(b'":') == members


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
    scopes, usage = question.scopes or [], question.usage
    method, path, model = facts.method or None, facts.path, facts.model or None
    subject, purpose = question.subject or None, question.purpose or None
    # One look at all of them; which one it was is asked only when there is one.
    together = f"{model} {method} {subject} {purpose} {' '.join(scopes)}"
    if not together.isprintable() or "_live_" in together or "_test_" in together:
        refuse_text(model, "/request/model")
        refuse_text(method, "/request/method")
        refuse_text(subject, "/subject")
        refuse_text(purpose, "/purpose")
        refuse_text(" ".join(scopes), "/scopes")
    if usage is None or usage is UNSET:
        usage = ONE_REQUEST
    for unit in usage:
        if unit not in USUAL and not UNIT.fullmatch(unit):
            raise Invalid(
                "A unit is a-z, 0-9 and _, at most 32, and begins with a letter.", "/usage"
            )
    if path is UNSET:
        path = None
    if subject is not None and purpose is None and path is None:
        raise Invalid("A subject needs a purpose, stated or the route's default.", "/purpose")
    return Ask(
        question.key, scopes, usage, method, path,
        None if facts.ip is None or facts.ip is UNSET else read_address(facts.ip, "/request/ip"),
        model, subject, purpose, question.environment or None, question.dry_run is True,
    )  # fmt: skip
