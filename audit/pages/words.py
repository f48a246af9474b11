"""An entry as a page tells it: its sentence with names marked, its differences, its facts."""

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from django.urls import NoReverseMatch
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from audit.ledger.models import Entry
from audit.ledger.reading import payload_of
from audit.ledger.sentences import body_of, phrase
from portal.tenancy.pages.lists import cell

PAGES: Final = {
    "key": "key", "gateway": "gateway", "tenant": "tenant", "person": "person", "api": "api",
}  # fmt: skip
"""A target's type to the URL name of its page, where there is one."""
PROOFS: Final = {
    "pwd": "password", "otp": "authenticator code", "recovery": "recovery code",
    "management_token": "management token", "link": "set-up link",
}  # fmt: skip
KINDS: Final = {
    "user": "person", "service": "service", "system": "Countersign", "gateway": "gateway",
}  # fmt: skip
Address = Callable[..., str]
"""A page's way to another: its name and what it is about."""
NONE: Final = "none"
OUTCOMES: Final = {"success": "done", "denied": "refused", "error": "failed"}


class Line(NamedTuple):
    """An entry in the list."""

    entry: Entry
    words: SafeString
    tenant: str


class Difference(NamedTuple):
    """A line of `table.diff`: what stayed, what went and what came."""

    field: str
    kept: list[str]
    gone: list[str]
    came: list[str]


def target_address(entry: Entry, url: Address) -> str:
    """The page of what the entry is about; empty where there is none, here or at all."""
    id = entry.object_id
    if entry.object_type == "tenant":  # its page is called by its slug, which is its label
        id = body_of(payload_of(entry)).get("target", "")
    try:
        return url(PAGES[entry.object_type], id)
    except (KeyError, NoReverseMatch):
        return ""


def marked(entry: Entry, url: Address) -> SafeString:
    """The sentence: the actor bold, the target a link, everything else escaped."""
    told = phrase(entry, payload_of(entry))
    words = _Escaped(told.words.__getitem__)
    words["actor"] = format_html("<b>{}</b>", told.words["actor"])
    if address := target_address(entry, url):
        words["target"] = format_html('<a href="{}">{}</a>', address, told.words["target"])
    text = str(escape(told.template)).format_map(words) + str(escape(told.rest))
    return SafeString(" ".join(text.split()))  # escaped, word by word, just above


class _Escaped(dict[str, Any]):
    """What stands in a sentence, escaped when it is asked for."""

    def __init__(self, get: Callable[[str], Any]) -> None:
        super().__init__()
        self.get_word = get

    def __missing__(self, name: str) -> str:
        return str(escape(self.get_word(name)))


def differences(entry: Entry) -> list[Difference]:
    """What the entry changed, field by field; all of it for what came into being."""
    body = body_of(payload_of(entry))
    before, after = body.get("before"), body.get("after")
    names = sorted({*(before or {}), *(after or {})})
    found = [_difference(name, _values(before, name), _values(after, name)) for name in names]
    return [each for each in found if before is not None or each.came not in ([], [NONE])]


def _difference(name: str, before: list[str], after: list[str]) -> Difference:
    kept = [value for value in before if value in after]
    return Difference(
        name, kept, [v for v in before if v not in kept], [v for v in after if v not in kept]
    )


def _values(side: dict[str, Any] | None, name: str) -> list[str]:
    if side is None or name not in side:
        return []
    value = side[name]
    if isinstance(value, list):
        return [_value(item) for item in value] or [NONE]
    if isinstance(value, dict):
        return [f"{key}: {_value(item)}" for key, item in value.items()] or [NONE]
    return [_value(value)]


def _value(value: Any) -> str:
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(item)}" for key, item in value.items())
    return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)


def facts(entry: Entry, url: Address) -> dict[str, Any]:
    """What stands beside the sentence on the entry's own page."""
    payload, envelope = payload_of(entry), json.loads(entry.envelope)
    body = body_of(payload)
    return {
        "words": marked(entry, url),
        "actor": body.get("actor") or entry.actor_id,
        "kind": KINDS.get(entry.actor_kind, entry.actor_kind),
        "proofs": [PROOFS.get(means, means) for means in envelope["actor"]["auth"]],
        "address": body.get("address"),
        "label": body.get("target"),
        "target_url": target_address(entry, url),
        "code": envelope["reason"],
        "reason": body.get("reason"),
        "outcome": OUTCOMES.get(entry.outcome, entry.outcome),
        "data": {k: v for k, v in (body.get("data") or {}).items() if v is not None},
        "erased": payload is None or payload.body is None,
        "erased_at": payload and payload.erased_at,
        "differences": differences(entry),
        "digest": bytes(entry.envelope_digest).hex(),
        "millisecond": f"{entry.occurred_at:%-d %b %Y, %H:%M:%S}."
        f"{entry.occurred_at.microsecond // 1000:03d}",
    }  # fmt: skip


def csv_cell(value: Any) -> str:
    """A value as a CSV cell; nested ones as JSON."""
    nested = isinstance(value, dict | list)
    return cell(json.dumps(value, ensure_ascii=False, sort_keys=True) if nested else value)
