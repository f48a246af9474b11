"""Changing limits that keys share."""

from typing import Any

import pytest
import redis

from keys.access import access_limit
from keys.definitions import parse_limit_patch
from keys.limits import ChangedLimit, change_shared_limit
from keys.models import Limit
from keys.representation import represent_key, represent_limit
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.models import Tenant
from portal.tenancy.scope import tenant_scope
from tests.cast import Cast
from tests.keys.events import events_of

SMOOTH = {
    "name": "all", "unit": "requests", "amount": 60, "window": "minute", "algorithm": "smooth",
    "shared_by": "tenant",
}  # fmt: skip
CALENDAR = {**SMOOTH, "algorithm": "calendar"}


def limit_of(cast: Cast, definition: dict[str, Any]) -> Limit:
    key = cast.issue(limits=[definition]).key
    with tenant_scope(cast.tenant.id):
        return Limit.objects.get(key_limits__key=key)


def change(actor: Actor, limit: Limit, version: int | None = None, **patch: Any) -> ChangedLimit:
    return change_shared_limit(
        actor=actor, limit_id=limit.id, expected_version=version, patch=parse_limit_patch(patch)
    )


def code(actor: Actor, limit: Limit, version: int | None = None, **patch: Any) -> str:
    with pytest.raises(Refusal) as caught:
        change(actor, limit, version, **patch)
    return caught.value.code


def epoch(cast: Cast) -> int:
    with tenant_scope(cast.tenant.id):
        return Tenant.objects.get(id=cast.tenant.id).epoch


def test_a_shared_limit_changes_for_every_key(acme: Cast, store: "redis.Redis") -> None:
    limit, before = limit_of(acme, CALENDAR), epoch(acme)
    other = acme.issue(limits=[CALENDAR]).key
    changed = change(acme.owner, limit, amount=7)
    assert (changed.limit.amount, changed.limit.version) == (7, 2)
    assert changed.propagation == "complete"
    assert epoch(acme) > before
    with tenant_scope(acme.tenant.id):
        assert represent_key(other)["limits"] == [{**CALENDAR, "amount": 7}]
        assert represent_limit(access_limit(acme.owner, limit.id))["amount"] == 7
    assert events_of(limit.id) == ["limit.changed success"]


def test_a_burst_that_equals_the_amount_follows_it(acme: Cast) -> None:
    limit = limit_of(acme, SMOOTH)
    assert change(acme.owner, limit, amount=10).limit.burst == 10
    assert change(acme.owner, limit, burst=3).limit.burst == 3
    assert change(acme.owner, limit, amount=20).limit.burst == 3


def test_a_calendar_limit_has_no_burst(acme: Cast) -> None:
    assert code(acme.owner, limit_of(acme, CALENDAR), burst=3) == "REQUEST_INVALID"


def test_a_smooth_limit_stays_exact(acme: Cast) -> None:
    limit = limit_of(acme, {**SMOOTH, "window": "day"})
    assert code(acme.owner, limit, amount=104_249_992) == "REQUEST_INVALID"
    assert change(acme.owner, limit, amount=104_249_991).limit.version == 2


def test_a_stale_version_is_refused(acme: Cast) -> None:
    limit = limit_of(acme, CALENDAR)
    assert change(acme.owner, limit, 1, amount=7).limit.version == 2
    assert code(acme.owner, limit, 1, amount=8) == "PRECONDITION_FAILED"


def test_a_key_s_own_limit_is_changed_with_its_key(acme: Cast) -> None:
    own = limit_of(acme, {**CALENDAR, "shared_by": "key"})
    assert code(acme.owner, own, amount=7) == "CONFLICT"


def test_a_developer_and_a_stranger_may_not(acme: Cast, globex: Cast) -> None:
    limit = limit_of(acme, CALENDAR)
    assert code(acme.developer, limit, amount=7) == "FORBIDDEN"
    assert code(globex.owner, limit, amount=7) == "NOT_FOUND"
    assert events_of(limit.id) == ["access.refused denied"]
