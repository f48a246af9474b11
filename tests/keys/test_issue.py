"""Issuing keys."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection

from keys.definitions import parse_new_key
from keys.issuing import issue_key
from keys.models import KeyLimit, Limit, Secret
from keys.representation import represent_key, represent_keys
from portal.core import tokens
from portal.core.refusals import Refusal
from portal.tenancy.apis import create_api, grant_api, withdraw_grant
from portal.tenancy.definitions import ScopeDefinition
from portal.tenancy.memberships import disable_membership
from portal.tenancy.scope import tenant_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of

SHARED = {
    "name": "all", "unit": "tokens", "amount": 100, "window": "day", "algorithm": "smooth",
    "shared_by": "tenant",
}  # fmt: skip
OWN = {**SHARED, "name": "own", "algorithm": "calendar", "shared_by": "key"}


def refused(cast: Cast, **body: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        cast.issue(**body)
    return caught.value


def links(cast: Cast, key_id: str) -> list[str]:
    with tenant_scope(cast.tenant.id):
        rows = KeyLimit.objects.filter(key_id=key_id).order_by("position")
        return list(rows.values_list("limit_id", flat=True))


def test_a_key_is_issued_with_all_that_was_asked_for(acme: Cast) -> None:
    asked = {
        "name": "billing", "environment": "test", "scopes": ["chat:write", "models:read"],
        "limits": [OWN, {**SHARED, "burst": 7}], "allowed_cidrs": ["10.0.0.0/8"],
        "allowed_models": ["gpt-4o"], "purposes": ["service-provision"],
        "metadata": {"team": "blue"}, "expires_at": "2999-01-01T00:00:00Z",
    }  # fmt: skip
    issued = acme.issue(**asked)
    with tenant_scope(acme.tenant.id):
        shape = represent_key(issued.key)
    assert {name: shape[name] for name in asked} == asked
    assert shape["tenant"] == acme.tenant.slug
    assert shape["api"] == acme.api.slug
    assert shape["owner"] == acme.owner.membership_id
    assert (shape["state"], shape["version"], shape["last_used_at"]) == ("active", 1, None)
    assert [secret["revoked_at"] for secret in shape["secrets"]] == [None]
    assert events_of(issued.key.id) == ["key.issued success"]


def test_only_a_digest_of_the_secret_is_kept(acme: Cast, owner_db: psycopg.Connection[Any]) -> None:
    issued = acme.issue()
    text = issued.secret.reveal()
    shape = tokens.parse(text)
    assert shape is not None
    with tenant_scope(acme.tenant.id):
        secret = Secret.objects.get(kid=shape.kid)
    assert tokens.verify(text, bytes(secret.digest), secret.pepper_id)
    assert text not in repr(issued)
    for table in ("keys_apikey", "keys_secret", "ledger_entry", "ledger_payload", "core_outbox"):
        rows = owner_db.execute(f"SELECT t::text FROM {table} t").fetchall()
        assert not [row for row in rows if text[22:60] in row[0]]


def test_a_developer_issues_and_owns_keys(acme: Cast) -> None:
    definition = parse_new_key({"name": "mine", "environment": "live", "scopes": []})
    issued = issue_key(actor=acme.developer, tenant_id=acme.tenant.id, definition=definition)
    assert issued.key.owner_id == acme.developer.membership_id


def test_a_viewer_does_not_and_that_is_recorded(acme: Cast) -> None:
    definition = parse_new_key({"name": "mine", "environment": "live", "scopes": []})
    with pytest.raises(Refusal, match="FORBIDDEN"):
        issue_key(actor=acme.viewer, tenant_id=acme.tenant.id, definition=definition)
    assert events_of(acme.tenant.id)[-1] == "access.refused denied"


def test_nobody_issues_in_another_tenant(acme: Cast, globex: Cast) -> None:
    definition = parse_new_key({"name": "mine", "environment": "live", "scopes": []})
    with pytest.raises(Refusal, match="NOT_FOUND"):
        issue_key(actor=acme.owner, tenant_id=globex.tenant.id, definition=definition)


def test_a_scope_of_high_risk_needs_approval_and_that_is_recorded(acme: Cast) -> None:
    assert acme.issue(scopes=["chat:write"])
    refusal = refused(acme, scopes=["chat:write", "files:write"])
    assert refusal.code == "APPROVAL_REQUIRED"
    assert [error["pointer"] for error in refusal.errors] == ["/scopes/1"]
    assert events_of(acme.tenant.id)[-1] == "access.refused denied"


def test_a_scope_that_the_api_lacks_is_named(acme: Cast) -> None:
    refusal = refused(acme, scopes=["models:read", "nothing:here"])
    assert [error["pointer"] for error in refusal.errors] == ["/scopes/1"]


def test_an_owner_is_an_active_member_of_the_tenant(acme: Cast, globex: Cast) -> None:
    ben = str(acme.developer.membership_id)
    assert acme.issue(owner=ben).key.owner_id == ben
    for other in (str(globex.owner.membership_id), "mem_000000000000", "\x7f", "m" * 60):
        assert refused(acme, owner=other).code == "REQUEST_INVALID"
    disable_membership(
        actor=OPERATOR, tenant_id=acme.tenant.id, membership_id=ben, reason="he left"
    )
    assert refused(acme, owner=ben).errors[0]["pointer"] == "/owner"


def test_the_api_has_to_be_named_when_there_are_several(acme: Cast, globex: Cast) -> None:
    own = create_api(
        actor=OPERATOR, slug="own", name="Own", tenant_id=acme.tenant.id,
        scopes=[ScopeDefinition("own:read")],
    )  # fmt: skip
    assert refused(acme).errors[0]["pointer"] == "/api"
    assert acme.issue(api="own", scopes=["own:read"]).key.api_id == own.id
    assert acme.issue(api=acme.api.slug).key.api_id == acme.api.id
    assert refused(acme, api=globex.api.slug).errors == refused(acme, api="random").errors


def test_a_withdrawn_api_takes_no_more_keys_and_the_old_ones_are_still_seen(acme: Cast) -> None:
    key = acme.issue().key
    withdraw_grant(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=acme.api.id, reason="moved")
    assert refused(acme).errors[0]["pointer"] == "/api"
    with tenant_scope(acme.tenant.id):
        assert represent_key(key)["api"] == acme.api.slug
    grant_api(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=acme.api.id)
    assert acme.issue()


def test_a_live_key_can_t_be_limited_to_everything(acme: Cast) -> None:
    assert acme.issue(environment="test", allowed_cidrs=["0.0.0.0/0"])
    refusal = refused(acme, environment="live", allowed_cidrs=["10.0.0.0/8", "::/0"])
    assert [error["pointer"] for error in refusal.errors] == ["/allowed_cidrs/1"]


def test_an_equal_shared_limit_joins_and_each_key_has_its_own(acme: Cast) -> None:
    first = links(acme, acme.issue(limits=[SHARED, OWN]).key.id)
    second = links(acme, acme.issue(limits=[OWN, SHARED]).key.id)
    assert first[0] == second[1]
    assert first[1] != second[0]


@pytest.mark.parametrize("other", [{"amount": 99, "burst": 100}, {"burst": 99}])
def test_another_amount_or_burst_of_a_shared_limit_is_a_conflict(
    acme: Cast, other: dict[str, int]
) -> None:
    acme.issue(limits=[SHARED])
    refusal = refused(acme, limits=[OWN, {**SHARED, **other}])
    assert refusal.code == "CONFLICT"
    assert refusal.errors[0]["pointer"] == "/limits/1"


def test_tenants_share_nothing(acme: Cast, globex: Cast) -> None:
    acme.issue(limits=[SHARED])
    assert globex.issue(limits=[{**SHARED, "amount": 1}])


def test_equal_shared_limits_issued_at_once_are_one(acme: Cast) -> None:
    def issue(number: int) -> None:
        two = [{**SHARED, "name": "b"}, {**SHARED, "name": "a"}]
        acme.issue(limits=two if number % 2 else two[::-1])
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(issue, range(24)))
    with tenant_scope(acme.tenant.id):
        assert Limit.objects.filter(tenant_id=acme.tenant.id, key=None).count() == 2


def test_a_list_of_keys_costs_the_same_queries_as_one(
    acme: Cast, django_assert_num_queries: Any
) -> None:
    keys = [acme.issue(limits=[SHARED, OWN]).key for _ in range(5)]
    with tenant_scope(acme.tenant.id):
        for some in (keys[:1], keys):
            with django_assert_num_queries(5):
                represent_keys(some)
