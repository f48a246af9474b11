"""What is protected, and who may ask about it."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.core import tokens
from portal.core.ids import base62
from portal.core.refusals import Refusal
from portal.tenancy.apis import (
    change_scopes,
    create_api,
    definition_of,
    grant_api,
    replace_routes,
    withdraw_grant,
)
from portal.tenancy.definitions import RouteDefinition, ScopeDefinition
from portal.tenancy.gateways import change_gateway, create_gateway, disable_gateway
from portal.tenancy.models import Api, Gateway, GatewayTenant, Tenant
from portal.tenancy.scope import platform_scope
from portal.tenancy.tenants import create_tenant
from tests.cast import OPERATOR, ROUTES, Cast
from tests.keys.events import events_of
from tests.processes import CheckServer
from tests.tenancy.epochs import epoch_of

READ = ScopeDefinition("things:read")


def row(gateway: Gateway) -> Gateway:
    with platform_scope("tests look at a gateway"):
        return Gateway.objects.get(id=gateway.id)


def test_changing_an_api_raises_the_epoch_of_who_may_use_it(acme: Cast, globex: Cast) -> None:
    before, other = epoch_of(acme), epoch_of(globex)
    change_scopes(actor=OPERATOR, api_id=acme.api.id, scopes=[READ])
    routes = [RouteDefinition("GET", "/v1/**", ["things:read"])]
    assert replace_routes(actor=OPERATOR, api_id=acme.api.id, routes=routes) == "complete"
    assert (epoch_of(acme), epoch_of(globex)) == (before + 2, other)
    assert events_of(acme.api.id)[-1] == "api.changed success"


def test_a_tenants_own_api_is_its_own(acme: Cast, globex: Cast) -> None:
    own = create_api(
        actor=OPERATOR, slug="own", name="Own", tenant_id=acme.tenant.id, scopes=[READ]
    )
    assert own.tenant_id == acme.tenant.id
    assert create_api(actor=OPERATOR, slug="own", name="Own", tenant_id=globex.tenant.id)
    with pytest.raises(Refusal, match="NOT_FOUND"):
        replace_routes(actor=OPERATOR, api_id=own.id, tenant_id=globex.tenant.id, routes=[])
    with pytest.raises(Refusal, match="CONFLICT"):
        create_api(actor=OPERATOR, slug=acme.api.slug, name="Same", tenant_id=acme.tenant.id)


@pytest.mark.parametrize(
    ("method", "pattern", "scopes", "pointer"),
    [
        ("get", "/a", [], "method"),
        ("GET", "a", [], "pattern"),
        ("GET", "", [], "pattern"),
        ("GET", "/a//b", [], "pattern"),
        ("GET", "/a/../b", [], "pattern"),
        ("GET", "/a/.", [], "pattern"),
        ("GET", "/a%2Fb", [], "pattern"),
        ("GET", "/a%2e%2e/b", [], "pattern"),
        ("GET", "/a;b", [], "pattern"),
        ("GET", "/a?b", [], "pattern"),
        ("GET", "/a*", [], "pattern"),
        ("GET", "/**/a", [], "pattern"),
        ("GET", "/a" * 300, [], "pattern"),
        ("GET", "/a", ["nothing:here"], "scopes/0"),
    ],
)
def test_a_route_that_no_request_could_take_is_refused(
    acme: Cast, method: str, pattern: str, scopes: Sequence[str], pointer: str
) -> None:
    good = RouteDefinition("*", "/v1/*/x/**", ["chat:write"])
    routes = [good, RouteDefinition(method, pattern, scopes)]
    with pytest.raises(Refusal) as refused:
        replace_routes(actor=OPERATOR, api_id=acme.api.id, routes=routes)
    assert [error["pointer"] for error in refused.value.errors] == [f"/routes/1/{pointer}"]
    assert replace_routes(actor=OPERATOR, api_id=acme.api.id, routes=[good]) == "complete"


def test_granting_twice_is_recorded_once(acme: Cast) -> None:
    before = events_of(acme.api.id)
    grant_api(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=acme.api.id)
    assert events_of(acme.api.id) == before


def test_a_withdrawn_api_s_gateways_answer_no_more_for_the_tenant(acme: Cast) -> None:
    before, version = epoch_of(acme), row(acme.gateway).version
    withdraw_grant(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=acme.api.id, reason="moved")
    assert (epoch_of(acme), row(acme.gateway).version) == (before + 1, version + 1)
    with platform_scope("tests look at bindings"):
        assert not GatewayTenant.objects.filter(tenant=acme.tenant).exists()


def test_a_withdrawn_api_is_withdrawn_at_once(acme: Cast, checker: CheckServer) -> None:
    secret = acme.issue().secret.reveal()
    assert checker.check(acme.gateway_token, secret)["code"] == "OK"
    told = withdraw_grant(
        actor=OPERATOR, tenant_id=acme.tenant.id, api_id=acme.api.id, reason="moved"
    )
    assert told == "complete"
    assert checker.check(acme.gateway_token, secret)["code"] == "KEY_UNKNOWN"
    grant_api(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=acme.api.id)
    tenants = [acme.tenant.id]
    change_gateway(actor=OPERATOR, gateway_id=acme.gateway.id, tenant_ids=tenants)
    assert checker.check(acme.gateway_token, secret)["code"] == "OK"


def test_a_gateway_is_for_tenants_that_may_use_its_api(acme: Cast, globex: Cast) -> None:
    tenants = [acme.tenant.id, globex.tenant.id]
    with pytest.raises(Refusal, match="/tenants/1"):
        create_gateway(
            actor=OPERATOR, name="both", api_id=acme.api.id, tenant_ids=tenants,
            environments=["live"],
        )  # fmt: skip
    grant_api(actor=OPERATOR, tenant_id=globex.tenant.id, api_id=acme.api.id)
    issued = create_gateway(
        actor=OPERATOR, name="both", api_id=acme.api.id, tenant_ids=tenants,
        environments=["live"], allowed_cidrs=["::ffff:10.0.0.0/104"],
    )  # fmt: skip
    assert issued.gateway.allowed_cidrs == ["10.0.0.0/8"]
    kept = row(issued.gateway)
    assert tokens.verify(issued.secret.reveal(), bytes(kept.digest), kept.pepper_id)


def test_changing_a_gateway_raises_all_that_it_is_or_was_bound_to(acme: Cast, globex: Cast) -> None:
    grant_api(actor=OPERATOR, tenant_id=globex.tenant.id, api_id=acme.api.id)
    before = epoch_of(acme), epoch_of(globex)
    change_gateway(actor=OPERATOR, gateway_id=acme.gateway.id, tenant_ids=[globex.tenant.id])
    assert (epoch_of(acme), epoch_of(globex)) == (before[0] + 1, before[1] + 1)
    assert row(acme.gateway).version == 2


def test_a_disabled_gateway_stays_so(acme: Cast) -> None:
    before = epoch_of(acme)
    for _ in range(2):
        told = disable_gateway(actor=OPERATOR, gateway_id=acme.gateway.id, reason="stolen")
        assert told == "complete"
    assert row(acme.gateway).version == 2
    assert epoch_of(acme) > before
    assert events_of(acme.gateway.id) == ["gateway.created success", "gateway.disabled success"]
    with pytest.raises(Refusal, match="CONFLICT"):
        change_gateway(actor=OPERATOR, gateway_id=acme.gateway.id, name="again")


def test_a_tenants_people_change_neither(acme: Cast) -> None:
    with pytest.raises(Refusal, match="FORBIDDEN"):
        change_gateway(actor=acme.owner, gateway_id=acme.gateway.id, allowed_cidrs=[])
    with pytest.raises(Refusal, match="FORBIDDEN"):
        change_scopes(actor=acme.owner, api_id=acme.api.id, scopes=[READ])


def test_many_tenants_cost_no_more_statements(acme: Cast) -> None:
    def statements(verb: Callable[[], object]) -> int:
        with CaptureQueriesContext(connection) as told:
            verb()
        return len(told)

    def verbs() -> tuple[int, int]:
        ids = [acme.tenant.id, *(tenant.id for tenant in more)]
        bind = partial(change_gateway, actor=OPERATOR, gateway_id=acme.gateway.id, tenant_ids=ids)
        routes = partial(replace_routes, actor=OPERATOR, api_id=acme.api.id, routes=[])
        return statements(bind), statements(routes)

    def granted() -> Tenant:
        slug = f"many-{base62(8).lower()}"
        tenant = create_tenant(actor=OPERATOR, slug=slug, name="Many")
        grant_api(actor=OPERATOR, tenant_id=tenant.id, api_id=acme.api.id)
        return tenant

    more = [granted()]
    few = verbs()
    more += [granted() for _ in range(8)]
    assert verbs() == few
    with platform_scope("tests look at epochs"):
        epochs = Tenant.objects.filter(id__in=[tenant.id for tenant in more])
        assert set(epochs.values_list("epoch", flat=True)) >= {3, 5}


def test_a_gateway_is_changed_only_as_it_was_read(acme: Cast) -> None:
    change = partial(change_gateway, actor=OPERATOR, gateway_id=acme.gateway.id)
    change(expected_version=1, name="first")
    with pytest.raises(Refusal, match="PRECONDITION_FAILED"):
        change(expected_version=1, name="second")
    assert row(acme.gateway).name == "first"


def test_an_api_is_changed_only_as_it_was_read(acme: Cast) -> None:
    with platform_scope("tests read an Api"):
        read = definition_of(Api.objects.get(id=acme.api.id))
    change = partial(
        change_scopes, actor=OPERATOR, api_id=acme.api.id, expected_definition=read, scopes=[READ]
    )
    change()
    with pytest.raises(Refusal, match="PRECONDITION_FAILED"):
        change()
    with pytest.raises(Refusal, match="PRECONDITION_FAILED"):
        replace_routes(
            actor=OPERATOR, api_id=acme.api.id, expected_definition=read, routes=ROUTES[:1]
        )


def test_refused_attempts_are_recorded(acme: Cast) -> None:
    with pytest.raises(Refusal, match="FORBIDDEN"):
        disable_gateway(actor=acme.owner, gateway_id=acme.gateway.id, reason="x")
    with pytest.raises(Refusal, match="FORBIDDEN"):
        withdraw_grant(actor=acme.owner, tenant_id=acme.tenant.id, api_id=acme.api.id, reason="x")
    for object_id in (acme.gateway.id, acme.api.id):
        assert events_of(object_id)[-1] == "access.refused denied"


def test_a_tenant_whose_grant_was_withdrawn_is_bound_to_no_gateway(acme: Cast) -> None:
    bind = partial(
        change_gateway, actor=OPERATOR, gateway_id=acme.gateway.id, tenant_ids=[acme.tenant.id]
    )
    bind()
    withdraw_grant(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=acme.api.id, reason="x")
    with pytest.raises(Refusal, match="/tenants/0"):
        bind()
