"""An entry in words, also when its payload was erased."""

import json
from typing import Any, Final, NamedTuple

import msgspec

from audit.ledger.events import BY_TYPE
from audit.ledger.models import Entry, Payload

ERASED: Final = "[erased]"


class _Words(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return ERASED


def body_of(payload: Payload | None) -> dict[str, Any]:
    """What a payload tells; empty once it is erased."""
    return json.loads(payload.body) if payload is not None and payload.body is not None else {}


class Phrase(NamedTuple):
    """An entry's sentence before it is put together: text of ours, and what is put into it."""

    template: str
    words: dict[str, Any]
    """`actor`, `target` and the event's own; what was erased says so."""
    rest: str
    """The code and the reason, after the sentence."""


def phrase(entry: Entry, payload: Payload | None) -> Phrase:
    """The sentence's parts, for who marks them up. Without the payload, ids stand for names."""
    body = body_of(payload)
    told: dict[str, Any] = body.get("data") or {}
    # A member that an older release did not write says what was meant then.
    words = _Words({**_defaults(entry.type), **told} if told else {})
    words["actor"] = body.get("actor") or f"{entry.actor_kind} {entry.actor_id}"
    words["target"] = _target(entry, body.get("target"))
    event = BY_TYPE.get(entry.type)
    unknown = f"{{actor}}: {entry.type.replace('{', '{{').replace('}', '}}')} {{target}}"
    code, reason = json.loads(entry.envelope)["reason"], body.get("reason")
    rest = (f" ({code})" if code else "") + (f": {reason}" if reason else "")
    return Phrase(event.template if event else unknown, words, rest)


def sentence(entry: Entry, payload: Payload | None) -> str:
    """`Ada revoked key “billing”: leaked`; without the payload, ids stand for names.

    One line, plain text: whoever puts it in a page escapes it.
    """
    told = phrase(entry, payload)
    return " ".join((told.template.format_map(told.words) + told.rest).split())


def _defaults(type_: str) -> dict[str, Any]:
    data = BY_TYPE[type_].data if type_ in BY_TYPE else None
    fields = msgspec.structs.fields(data) if data is not None else ()
    return {each.name: each.default for each in fields if isinstance(each.default, str)}


def _target(entry: Entry, label: str | None) -> str:
    kind = entry.object_type.replace("_", " ")
    return f"{kind} “{label}”" if label else f"{kind} {entry.object_id}"
