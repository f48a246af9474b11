"""I2, withdrawn means withdrawn: the first check after a verb answered goes by the new state."""

from collections.abc import Callable

import pytest

from keys.changing import change_key
from keys.definitions import parse_key_patch, parse_limit_patch
from keys.issuing import Issued
from keys.limits import change_shared_limit
from keys.models import Limit
from keys.revocation import revoke_key
from keys.suspension import suspend_key
from portal.core.outbox import Propagation
from portal.tenancy.apis import replace_routes
from portal.tenancy.gateways import change_gateway, disable_gateway
from portal.tenancy.memberships import disable_membership
from portal.tenancy.people import disable_person
from portal.tenancy.scope import tenant_scope
from portal.tenancy.tenants import suspend_tenant
from tests.cast import OPERATOR, Cast
from tests.processes import CheckServer

REQUEST = {"method": "POST", "path": "/v1/chat/completions", "ip": "203.0.113.9"}
SHARED = {
    "name": "all", "unit": "requests", "amount": 100, "window": "day", "algorithm": "calendar",
    "shared_by": "tenant",
}  # fmt: skip

Verb = Callable[[Cast, Issued], Propagation]


def patched(**patch: object) -> Verb:
    return lambda cast, issued: (
        change_key(actor=cast.owner, key_id=issued.key.id, patch=parse_key_patch(patch)).propagation
    )


def cut_limit(cast: Cast, issued: Issued) -> Propagation:
    with tenant_scope(cast.tenant.id):
        limit = Limit.objects.get(key_limits__key=issued.key)
    patch = parse_limit_patch({"amount": 0})
    return change_shared_limit(actor=cast.owner, limit_id=limit.id, patch=patch).propagation


VERBS: dict[str, Verb] = {
    "KEY_REVOKED": lambda cast, issued: (
        revoke_key(actor=cast.owner, key_id=issued.key.id, reason="x").propagation
    ),
    "KEY_SUSPENDED": lambda cast, issued: (
        suspend_key(actor=cast.owner, key_id=issued.key.id, reason="x").propagation
    ),
    "SCOPE_MISSING": patched(scopes=[]),
    "IP_NOT_ALLOWED": patched(allowed_cidrs=["198.51.100.0/24"]),
    "MODEL_NOT_ALLOWED": patched(allowed_models=["gpt-4o"]),
    "QUOTA_EXCEEDED": cut_limit,
    "ROUTE_UNKNOWN": lambda cast, _: replace_routes(actor=OPERATOR, api_id=cast.api.id, routes=[]),
    "KEY_UNKNOWN": lambda cast, _: change_gateway(
        actor=OPERATOR, gateway_id=cast.gateway.id, environments=["test"]
    ),
    "TENANT_SUSPENDED": lambda cast, _: suspend_tenant(
        actor=OPERATOR, tenant_id=cast.tenant.id, reason="x"
    ),
    "OWNER_DISABLED": lambda cast, _: disable_person(
        actor=OPERATOR, person_id=cast.developer.id, reason="x"
    ),
}


def issue(cast: Cast) -> Issued:
    return cast.issue(
        scopes=["chat:write"], limits=[SHARED], owner=str(cast.developer.membership_id)
    )


@pytest.mark.parametrize("code", VERBS)
def test_the_next_check_is_refused(acme: Cast, checker: CheckServer, code: str) -> None:
    issued = issue(acme)
    assert (
        checker.check(acme.gateway_token, issued.secret.reveal(), request=REQUEST)["code"] == "OK"
    )
    assert VERBS[code](acme, issued) == "complete"
    assert (
        checker.check(acme.gateway_token, issued.secret.reveal(), request=REQUEST)["code"] == code
    )


def test_so_it_is_for_a_membership(acme: Cast, checker: CheckServer) -> None:
    issued = issue(acme)
    assert checker.check(acme.gateway_token, issued.secret.reveal())["code"] == "OK"
    disable_membership(
        actor=OPERATOR, tenant_id=acme.tenant.id, reason="he left",
        membership_id=str(acme.developer.membership_id),
    )  # fmt: skip
    told = checker.check(acme.gateway_token, issued.secret.reveal())["code"]
    assert told == "OWNER_DISABLED"


def test_and_a_disabled_gateway_is_answered_no_more(acme: Cast, checker: CheckServer) -> None:
    issued = issue(acme)
    assert checker.check(acme.gateway_token, issued.secret.reveal())["code"] == "OK"
    disable_gateway(actor=OPERATOR, gateway_id=acme.gateway.id, reason="stolen")
    headers = {
        "Authorization": f"Bearer {acme.gateway_token}", "Content-Type": "application/json",
    }  # fmt: skip
    body = f'{{"key": "{issued.secret.reveal()}"}}'.encode()
    status, _, _ = checker.call("POST", "/v1/keys/check", headers=headers, body=body)
    assert status == 401
