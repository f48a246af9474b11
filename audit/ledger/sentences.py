"""An entry in words, also when its payload was erased."""

import json
from typing import Any, Final

from audit.ledger.events import BY_TYPE
from audit.ledger.models import Entry, Payload

ERASED: Final = "[erased]"


class _Words(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return ERASED


def body_of(payload: Payload | None) -> dict[str, Any]:
    """What a payload tells; empty once it is erased."""
    return json.loads(payload.body) if payload is not None and payload.body is not None else {}


def sentence(entry: Entry, payload: Payload | None) -> str:
    """`Ada revoked key “billing”: leaked`; without the payload, ids stand for names.

    One line, plain text: whoever puts it in a page escapes it.
    """
    body = body_of(payload)
    words = _Words(body.get("data") or {})
    words["actor"] = body.get("actor") or f"{entry.actor_kind} {entry.actor_id}"
    words["target"] = _target(entry, body.get("target"))
    event = BY_TYPE.get(entry.type)
    template = event.template if event else f"{{actor}}: {entry.type} {{target}}"
    text = template.format_map(words)
    if code := json.loads(entry.envelope)["reason"]:
        text += f" ({code})"
    if reason := body.get("reason"):
        text += f": {reason}"
    return " ".join(text.split())


def _target(entry: Entry, label: str | None) -> str:
    kind = entry.object_type.replace("_", " ")
    return f"{kind} “{label}”" if label else f"{kind} {entry.object_id}"
