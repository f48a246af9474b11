"""I4, and no poison: what the record refuses, and how it spells what it can't refuse."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db.utils import IntegrityError
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.ledger.envelope import LARGEST
from audit.ledger.events import Event
from audit.ledger.models import Payload
from audit.ledger.recording import BODY, LABEL, REASON
from audit.ledger.target import Target
from audit.ledger.values import RecordingError, SecretRefused, canonical, clipped, plain, readable
from audit.ledger.who import Who
from portal.core import tokens
from portal.core.ids import new_id
from portal.tenancy.scope import tenant_scope
from tests.ledger.conftest import Recorded, Tenant

PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "the reason": lambda text: {"reason": f"it was {text}, I think"},
    "the end of a reason that is cut": lambda text: {"reason": "x" * REASON + text},
    "the target's label": lambda text: {"target": Target("key", new_id("key"), text)},
    "the target's id": lambda text: {"target": Target("key", text)},
    "the actor's label": lambda text: {"actor": Who(kind="user", id="per_1", label=text)},
    "the actor's id": lambda text: {"actor": Who(kind="user", id=text, label="")},
    "the address": lambda text: {
        "actor": Who(kind="user", id="per_1", label="", address=text),
    },
    "the request id": lambda text: {
        "actor": Who(kind="user", id="per_1", label="", request_id=text),
    },
    "before": lambda text: {"before": {"metadata": {"note": [text]}}},
    "an unchanged column": lambda text: {"before": {"name": text}, "after": {"name": text}},
    "a column's name": lambda text: {"after": {text: 1}},
    "the payload": lambda text: {"payload": {"deep": {"deeper": text}}},
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("brand", ["csk", "csg", "csm"])
def test_a_credential_is_refused_in(place: str, brand: str, recorded: Recorded) -> None:
    canary = tokens.mint(brand, "live").secret.reveal()
    with pytest.raises(SecretRefused) as refusal:
        recorded(**PLACES[place](canary))
    assert canary[20:] not in str(refusal.value)


@pytest.mark.parametrize(
    "spoilt", ["cut short", "cut in front", "mistyped", "in other text", "with a Kelvin sign"]
)
def test_a_credential_is_refused_also(spoilt: str, recorded: Recorded) -> None:
    canary = tokens.mint("csk", "test").secret.reveal()
    text = {
        "cut short": canary[:40],
        "cut in front": canary[2:],
        "mistyped": canary[:-1] + "-",
        "with a Kelvin sign": canary[:9] + "\u212a" + canary[10:],
        "in other text": f"https://example.org/?key=x_{canary}&a=1",
    }[spoilt]
    with pytest.raises(SecretRefused):
        recorded(reason=text)


def test_a_credentials_public_id_is_welcome(recorded: Recorded) -> None:
    assert recorded(reason="csk_live_7Kq2mX9aB4cD was found in a public repository")


@pytest.mark.parametrize(
    "value",
    [0.5, float("nan"), 2**53, -(2**53), b"bytes", {1, 2}, {1: "number"}, 1j,
     dt.datetime(2026, 1, 1), [[[[[[[[[["deep"]]]]]]]]]], "lone \ud800 surrogate"],
    ids=repr,
)  # fmt: skip
def test_a_row_is_refused_that_holds(value: Any, recorded: Recorded) -> None:
    with pytest.raises(RecordingError):
        recorded(after={"column": value})


@pytest.mark.parametrize(
    "value", [2**53 - 1, True, None, [], {}, "", ("a",), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]
)
def test_a_row_is_recorded_that_holds(value: Any, recorded: Recorded) -> None:
    assert recorded(after={"column": value})


HOSTILE = {
    "NUL": ("a\0b", "a\\u0000b"),
    "bidi": ("a\u202eb", "a\\u202eb"),
    "a lone surrogate": ("a\ud800b", "a\\ud800b"),
    "an escape": ("a\x1b[2Jb", "a\\u001b[2Jb"),
    "a line separator": ("a\u2028b", "a\\u2028b"),
    "an invisible tag": ("a\U000e0041b", "a\\ue0041b"),
    "decomposed letters": ("u\u0308", "ü"),
    "a family of emoji": ("👩\u200d👧", "👩\u200d👧"),
    "full-width letters": ("ｃｓｋ", "ｃｓｋ"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_is_spelt_out_that_holds(hostile: str, acme: Tenant, recorded: Recorded) -> None:
    given_text, kept = HOSTILE[hostile]
    entry = recorded(reason=given_text, target=Target("key", new_id("key"), given_text))
    with tenant_scope(acme.id):
        body = json.loads(Payload.objects.get(entry=entry).body or "")
    assert (body["reason"], body["target"]) == (kept, kept)


def test_a_huge_label_and_a_huge_reason_are_cut(acme: Tenant, recorded: Recorded) -> None:
    entry = recorded(reason="r" * 1_000_000, target=Target("key", new_id("key"), "\0" * 1_000_000))
    with tenant_scope(acme.id):
        body = json.loads(Payload.objects.get(entry=entry).body or "")
    assert (len(body["reason"]), len(body["target"])) == (REASON, LABEL)


def test_a_huge_row_is_refused(recorded: Recorded) -> None:
    with pytest.raises(RecordingError, match="payload"):
        recorded(after={"name": "x" * BODY})


def test_a_huge_envelope_is_refused(recorded: Recorded) -> None:
    actor = Who(kind="user", id="per_1", label="", auth=("x" * 60,) * (LARGEST // 60))
    with pytest.raises(RecordingError, match="envelope"):
        recorded(actor=actor)


@pytest.mark.parametrize(
    "junk", ["", "a\0b", "ada@example.org", "x" * 129, "ключ", "\u202e", "a\n"]
)
def test_an_id_that_is_none_is_refused(junk: str, recorded: Recorded) -> None:
    with pytest.raises(RecordingError):
        recorded(target=Target("key", junk))
    with pytest.raises(RecordingError):
        recorded(actor=Who(kind="user", id=junk, label=""))


def test_a_code_in_words_is_refused(recorded: Recorded) -> None:
    with pytest.raises(RecordingError):
        recorded(code="because Ada left")


def test_an_outcome_that_is_none_is_refused_by_the_database(recorded: Recorded) -> None:
    with pytest.raises(IntegrityError):
        recorded(outcome="maybe")


def test_data_of_another_type_than_the_events_is_refused(recorded: Recorded) -> None:
    with pytest.raises(RecordingError, match=r"usage\.rolled_up"):
        recorded(Event.USAGE_ROLLED_UP, payload={"hour": "2026-11-23T03", "decisions": "many"})


def test_an_event_with_data_is_refused_without(recorded: Recorded) -> None:
    with pytest.raises(RecordingError, match=r"access\.refused"):
        recorded(Event.ACCESS_REFUSED)


@settings(database=None, max_examples=300)
@given(st.text(alphabet=st.characters(), max_size=64))
def test_readable_text_can_always_be_stored(text: str) -> None:
    once = readable(text)
    assert "\0" not in once
    once.encode()
    assert readable(once) == once
    assert len(clipped(text, 8)) <= 8


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@settings(database=None, max_examples=300)
@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_plain_values_survive_their_canonical_form(value: dict[str, Any]) -> None:
    try:
        kept = plain(value)
    except RecordingError:
        return  # too deep
    assert json.loads(canonical(kept)) == value
