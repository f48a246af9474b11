"""Suspending keys, and resuming them."""

import psycopg
import pytest

from keys.revocation import revoke_key
from keys.suspension import resume_key, suspend_key
from portal.core.refusals import Refusal
from tests.cast import Cast
from tests.keys.events import events_of


def test_a_suspended_key_can_be_resumed(acme: Cast) -> None:
    key_id = acme.issue().key.id
    suspended = suspend_key(actor=acme.developer, key_id=key_id, reason="looks odd")
    assert (suspended.key.state, suspended.key.version) == ("suspended", 2)
    resumed = resume_key(actor=acme.developer, key_id=key_id, reason="was not")
    assert (resumed.key.state, resumed.key.version) == ("active", 3)
    assert events_of(key_id) == [
        "key.issued success", "key.suspended success", "key.resumed success",
    ]  # fmt: skip


def test_again_is_the_same_answer_and_no_new_event(acme: Cast) -> None:
    key_id = acme.issue().key.id
    for _ in range(2):
        suspended = suspend_key(actor=acme.owner, key_id=key_id, reason="looks odd")
        assert (suspended.key.state, suspended.key.version) == ("suspended", 2)
        assert suspended.propagation == "complete"
    assert events_of(key_id) == ["key.issued success", "key.suspended success"]


def test_a_revoked_key_is_neither_suspended_nor_resumed(acme: Cast) -> None:
    key_id = acme.issue().key.id
    revoke_key(actor=acme.owner, key_id=key_id, reason="done")
    for verb in (suspend_key, resume_key):
        with pytest.raises(Refusal, match="CONFLICT"):
            verb(actor=acme.owner, key_id=key_id, reason="please")


def test_a_leaked_key_never_works_again(acme: Cast, owner_db: psycopg.Connection[object]) -> None:
    key_id = acme.issue().key.id
    owner_db.execute("UPDATE keys_apikey SET state = 'leaked' WHERE id = %s", [key_id])
    with pytest.raises(Refusal, match="CONFLICT"):
        resume_key(actor=acme.owner, key_id=key_id, reason="please")
    assert revoke_key(actor=acme.owner, key_id=key_id, reason="gone").key.state == "leaked"


def test_a_viewer_may_do_neither(acme: Cast) -> None:
    key_id = acme.issue().key.id
    for verb in (suspend_key, resume_key):
        with pytest.raises(Refusal, match="FORBIDDEN"):
            verb(actor=acme.viewer, key_id=key_id, reason="please")
    assert events_of(key_id).count("access.refused denied") == 2


@pytest.mark.parametrize("reason", ["", " ", "x" * 513, "a\0b"])
def test_a_reason_is_needed(acme: Cast, reason: str) -> None:
    key_id = acme.issue().key.id
    with pytest.raises(Refusal, match="/reason"):
        suspend_key(actor=acme.owner, key_id=key_id, reason=reason)
    assert suspend_key(actor=acme.owner, key_id=key_id, reason="x" * 512)
