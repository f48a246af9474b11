"""Keys of several kinds, and what each of them deserves, said without the product's own rules."""

import ipaddress
import json
from typing import Any, NamedTuple

from keys.suspension import suspend_key
from portal.core.ids import base62
from portal.core.tokens import checksum
from tests.cast import Cast
from tests.invariants.traffic import body

BODIES: dict[str, dict[str, Any]] = {
    "any": {"scopes": ["chat:write", "models:read", "embeddings:write"]},
    "limited": {
        "scopes": ["chat:write"],
        "limits": [
            body("month", 10**6, "month", "calendar", shared_by="tenant"),
            body("rate", 1000, "second", "smooth", burst=5),
        ],
    },
    "narrow": {
        "scopes": ["models:read"], "allowed_cidrs": ["203.0.113.0/24", "2001:db8::/32"],
        "allowed_models": ["small"], "environment": "test",
    },
}  # fmt: skip
NEEDS: dict[tuple[Any, str], str] = {
    ("POST", "/v1/chat/completions"): "chat:write", ("GET", "/v1/models"): "models:read",
    ("GET", "/v1/models/gpt-4o"): "models:read", ("POST", "/v1/embeddings"): "embeddings:write",
    ("POST", "/v1/files"): "files:write",
}  # fmt: skip
"""The only paths that may be allowed here, however they are written."""


class Kinds(NamedTuple):
    """A key's text of each kind that may ever be allowed, and those that never may."""

    good: dict[str, str]
    never: list[str]


def issue_kinds(cast: Cast, foreign: Cast) -> Kinds:
    """One of each; a suspended one, a wrong secret, a foreign one, and texts that are none."""
    good = {kind: cast.issue(**given).secret.reveal() for kind, given in BODIES.items()}
    suspended = cast.issue(**BODIES["any"])
    suspend_key(actor=cast.owner, key_id=suspended.key.id, reason="a test")
    wrong = good["any"][:-49] + base62(43)
    never = [
        suspended.secret.reveal(), wrong + checksum(wrong),
        foreign.issue(**BODIES["any"]).secret.reveal(), good["any"][:-1], "", "csk_",
    ]  # fmt: skip
    return Kinds(good, never)


class _Twice(ValueError):
    pass


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise _Twice
    return dict(pairs)


def read(content: bytes) -> Any:
    """The body as a strict reader understands it; None when it does not."""
    try:
        return json.loads(content.decode(), object_pairs_hook=_single)
    except (ValueError, RecursionError):
        return None


def deserves(kinds: Kinds, asked: Any) -> bool:
    """Whether what is asked may be allowed at all. `asked` is a Question, as read."""
    if not isinstance(asked, dict):
        return False
    kind = {text: kind for kind, text in kinds.good.items()}.get(asked.get("key", ""))
    if kind is None or asked.get("purpose") is not None:
        return False
    key, facts = BODIES[kind], asked.get("request") or {}
    wanted = [*asked.get("scopes", [])]
    if facts.get("path") is not None:
        wanted.append(NEEDS.get((facts.get("method"), facts["path"].partition("?")[0]), "nothing"))
    return (
        set(wanted) <= set(key["scopes"])
        and asked.get("environment") in (None, key.get("environment", "live"))
        and facts.get("model") in key.get("allowed_models", [facts.get("model")])
        and _inside(facts.get("ip"), key.get("allowed_cidrs", []))
    )


def _inside(stated: str | None, networks: list[str]) -> bool:
    if not networks:
        return True
    if stated is None:
        return False
    address = ipaddress.ip_address(stated)
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ipaddress.ip_network(network) for network in networks)
