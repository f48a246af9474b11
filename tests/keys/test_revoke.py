"""Revoking keys."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from keys.representation import represent_key
from keys.revocation import revoke_key
from keys.suspension import suspend_key
from portal.core.refusals import Refusal
from portal.tenancy.scope import tenant_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of


def test_a_revoked_key_and_its_secrets_have_ended(acme: Cast) -> None:
    key_id = acme.issue().key.id
    revoked = revoke_key(actor=acme.developer, key_id=key_id, reason="done")
    assert (revoked.key.state, revoked.propagation) == ("revoked", "complete")
    with tenant_scope(acme.tenant.id):
        shape = represent_key(revoked.key)
    assert all(secret["revoked_at"] for secret in shape["secrets"])


def test_a_suspended_key_can_be_revoked(acme: Cast) -> None:
    key_id = acme.issue().key.id
    suspend_key(actor=acme.owner, key_id=key_id, reason="looks odd")
    assert revoke_key(actor=acme.owner, key_id=key_id, reason="it was").key.state == "revoked"


def test_again_is_the_same_answer_and_no_new_event(acme: Cast) -> None:
    key_id = acme.issue().key.id

    def revoke(_: int) -> tuple[str, int, str]:
        changed = revoke_key(actor=acme.owner, key_id=key_id, reason="done")
        connection.close()
        return changed.key.state, changed.key.version, changed.propagation

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(revoke, range(16))) == {("revoked", 2, "complete")}
    assert events_of(key_id) == ["key.issued success", "key.revoked success"]


def test_a_viewer_and_a_stranger_may_not(acme: Cast, globex: Cast) -> None:
    key_id = acme.issue().key.id
    with pytest.raises(Refusal, match="FORBIDDEN"):
        revoke_key(actor=acme.viewer, key_id=key_id, reason="please")
    with pytest.raises(Refusal, match="NOT_FOUND"):
        revoke_key(actor=globex.owner, key_id=key_id, reason="please")
    assert events_of(key_id) == ["key.issued success", "access.refused denied"]
    assert revoke_key(actor=OPERATOR, key_id=key_id, reason="an operator may").key.version == 2
