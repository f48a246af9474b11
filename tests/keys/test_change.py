"""Changing keys."""

from typing import Any

import pytest

from keys.changing import change_key
from keys.definitions import parse_key_patch
from keys.governed import Changed
from keys.issuing import Issued
from keys.limiting import counter_of
from keys.models import Limit
from keys.representation import represent_key
from keys.revocation import revoke_key
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.apis import change_scopes
from portal.tenancy.definitions import ScopeDefinition
from portal.tenancy.scope import tenant_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of

DAY = {
    "name": "day", "unit": "requests", "amount": 5, "window": "day", "algorithm": "calendar",
    "shared_by": "key",
}  # fmt: skip


def change(
    cast: Cast, issued: Issued, *, actor: Actor | None = None, version: int | None = None,
    **patch: Any,
) -> Changed:  # fmt: skip
    return change_key(
        actor=actor or cast.owner, key_id=issued.key.id, expected_version=version,
        patch=parse_key_patch(patch),
    )  # fmt: skip


def code(cast: Cast, issued: Issued, **more: Any) -> str:
    with pytest.raises(Refusal) as caught:
        change(cast, issued, **more)
    return caught.value.code


def own_limits(cast: Cast, issued: Issued) -> dict[str, Limit]:
    with tenant_scope(cast.tenant.id):
        return {counter_of(limit).name: limit for limit in Limit.objects.filter(key=issued.key)}


def test_what_is_named_changes_and_the_rest_stays(acme: Cast) -> None:
    issued = acme.issue(scopes=["chat:write"], allowed_models=["gpt-4o"], limits=[DAY])
    changed = change(acme, issued, name="new", allowed_cidrs=["10.0.0.0/8"])
    assert changed.propagation == "complete"
    with tenant_scope(acme.tenant.id):
        shape = represent_key(changed.key)
    assert (shape["name"], shape["allowed_cidrs"], shape["version"]) == ("new", ["10.0.0.0/8"], 2)
    assert (shape["scopes"], shape["allowed_models"]) == (["chat:write"], ["gpt-4o"])
    assert shape["limits"] == [DAY]
    assert events_of(issued.key.id) == ["key.issued success", "key.changed success"]


def test_a_patch_that_changes_nothing_leaves_the_version_and_no_event(acme: Cast) -> None:
    issued = acme.issue(name="same", limits=[DAY])
    assert change(acme, issued).key.version == 1
    assert change(acme, issued, name="same", limits=[DAY]).key.version == 1
    assert events_of(issued.key.id) == ["key.issued success"]


def test_a_limit_whose_counter_stays_keeps_its_row(acme: Cast) -> None:
    issued = acme.issue(limits=[DAY, {**DAY, "name": "gone"}])
    before = own_limits(acme, issued)
    change(acme, issued, limits=[{**DAY, "name": "new"}, {**DAY, "amount": 9}])
    after = own_limits(acme, issued)
    assert set(after) == {"day", "new"}
    assert (after["day"].id, after["day"].created_at) == (
        before["day"].id, before["day"].created_at,
    )  # fmt: skip
    assert (after["day"].amount, after["day"].version) == (9, 2)


def test_a_counter_of_another_window_is_another_row(acme: Cast) -> None:
    issued = acme.issue(limits=[DAY])
    before = own_limits(acme, issued)["day"].id
    change(acme, issued, limits=[{**DAY, "window": "hour"}])
    assert own_limits(acme, issued)["day"].id != before


def test_leaving_a_shared_limit_leaves_it_to_the_others(acme: Cast) -> None:
    shared = {**DAY, "shared_by": "tenant"}
    issued, other = acme.issue(limits=[shared]), acme.issue(limits=[shared])
    change(acme, issued, limits=None)
    with tenant_scope(acme.tenant.id):
        assert represent_key(issued.key)["limits"] == []
        assert represent_key(other.key)["limits"] == [shared]


def test_metadata_is_merged(acme: Cast) -> None:
    issued = acme.issue(metadata={"a": "1", "b": "2"})
    assert change(acme, issued, metadata={"a": None, "c": "3"}).key.metadata == {"b": "2", "c": "3"}
    assert change(acme, issued, metadata=None).key.metadata == {}


def test_metadata_can_t_grow_beyond_its_size_by_merging(acme: Cast) -> None:
    issued = acme.issue(metadata={"a": "x" * 1_500})
    assert code(acme, issued, metadata={"b": "x" * 1_500}) == "REQUEST_INVALID"


def test_a_stale_version_is_refused(acme: Cast) -> None:
    issued = acme.issue()
    assert change(acme, issued, version=1, name="one").key.version == 2
    assert code(acme, issued, version=1, name="two") == "PRECONDITION_FAILED"


def test_a_new_scope_of_high_risk_needs_approval(acme: Cast) -> None:
    issued = acme.issue(scopes=["chat:write"])
    assert change(acme, issued, scopes=["chat:write", "models:read"]).key.version == 2
    assert code(acme, issued, scopes=["chat:write", "files:write"]) == "APPROVAL_REQUIRED"
    assert events_of(issued.key.id)[-1] == "access.refused denied"


def test_one_that_the_key_held_before_it_became_risky_stays(acme: Cast) -> None:
    issued = acme.issue(scopes=["chat:write", "models:read"])
    risky = [ScopeDefinition("chat:write", "high")]
    change_scopes(actor=OPERATOR, api_id=acme.api.id, scopes=risky)
    assert change(acme, issued, scopes=["chat:write"]).key.scopes == ["chat:write"]
    assert code(acme, issued, scopes=["files:write"]) == "APPROVAL_REQUIRED"


def test_a_revoked_key_stays_as_it_is(acme: Cast) -> None:
    issued = acme.issue()
    revoke_key(actor=acme.owner, key_id=issued.key.id, reason="it leaked")
    assert code(acme, issued, name="new") == "CONFLICT"


def test_a_viewer_changes_nothing(acme: Cast) -> None:
    issued = acme.issue()
    assert code(acme, issued, actor=acme.viewer, name="new") == "FORBIDDEN"
    assert change(acme, issued, actor=acme.developer, name="new").key.name == "new"


def test_a_foreign_key_is_as_unknown_as_any(acme: Cast, globex: Cast) -> None:
    issued = acme.issue()
    patch = parse_key_patch({"name": "mine"})
    told = set()
    for key_id in (issued.key.id, "key_000000000000", "\0", "x" * 10_000, "", "\ud800", "é"):
        for actor in (globex.owner, globex.viewer):
            with pytest.raises(Refusal) as caught:
                change_key(actor=actor, key_id=key_id, patch=patch)
            told.add(str(caught.value))
    assert told == {"NOT_FOUND"}
    assert change_key(actor=OPERATOR, key_id=issued.key.id, patch=patch).key.name == "mine"
