"""Apis come into being, change, and are granted to tenants."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from django.db.models import F, Q, QuerySet

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core.clock import now
from portal.core.outbox import Propagation
from portal.core.refusals import Faults, Refusal
from portal.core.versions import of_gateway
from portal.tenancy.actors import Actor
from portal.tenancy.change import Change, platform_change, tenant_change
from portal.tenancy.definitions import (
    RouteDefinition,
    ScopeDefinition,
    check_routes,
    check_scopes,
)
from portal.tenancy.models import Api, ApiGrant, Gateway, GatewayTenant, Route, Scope, Tenant
from portal.tenancy.permission import (
    attempt,
    found,
    platform_attempt,
    require,
    require_within,
    unless_taken,
)
from portal.tenancy.tenants import checked_slug
from portal.tenancy.texts import checked, checked_reason

TAKEN = "The tenant has an Api of this slug."


def target_of(api: Api) -> Target:
    """The Api as the ledger names it."""
    return Target("api", api.id, api.slug)


def usable_apis(tenant_id: str) -> QuerySet[Api]:
    """The Apis that a tenant's keys may be for: its own and those granted to it."""
    granted = ApiGrant.objects.filter(tenant_id=tenant_id, withdrawn_at=None)
    return Api.objects.filter(Q(tenant_id=tenant_id) | Q(id__in=granted.values("api_id")))


def usable_by(api: Api) -> QuerySet[Tenant]:
    """The tenants whose keys may be for this Api."""
    granted = ApiGrant.objects.filter(api=api, withdrawn_at=None)
    return Tenant.objects.filter(Q(id=api.tenant_id) | Q(id__in=granted.values("tenant_id")))


def definition_of(api: Api) -> str:
    """A digest of an Api's scopes and routes: another one means that they were changed."""
    return hashlib.sha256(json.dumps(_columns(api), sort_keys=True).encode()).hexdigest()


def create_api(
    *,
    actor: Actor,
    slug: str,
    name: str,
    tenant_id: str | None = None,
    scopes: Sequence[ScopeDefinition] = (),
    routes: Sequence[RouteDefinition] = (),
) -> Api:
    """Make an Api: of one tenant, or without `tenant_id` the platform's, to be granted.

    Refuses with CONFLICT when the slug is taken, also by an Api that was granted to the tenant:
    keys name their Api by it.
    """
    _require(actor, tenant_id, Target("api", "new", name))
    checked_slug(slug), checked(name, "/name")
    faults = Faults()
    check_scopes(faults, scopes)
    check_routes(faults, routes, {scope.name for scope in scopes})
    faults.settle()
    with unless_taken(TAKEN), _change(tenant_id) as change:
        if tenant_id is not None:
            found(Tenant.objects.all(), tenant_id)
            if usable_apis(tenant_id).filter(slug=slug).exists():
                raise Refusal("CONFLICT", TAKEN)
        api = Api.objects.create(slug=slug, name=name, tenant_id=tenant_id)
        change.made = api.id
        Scope.objects.bulk_create(_scope(api, scope) for scope in scopes)
        Route.objects.bulk_create(_route(api, route) for route in routes)
        record(
            Event.API_CREATED, actor=actor, tenant=tenant_id, target=target_of(api),
            after={"slug": slug, "name": name, **_columns(api)},
        )  # fmt: skip
    return api


def change_scopes(
    *, actor: Actor, api_id: str, tenant_id: str | None = None,
    scopes: Sequence[ScopeDefinition], expected_definition: str | None = None,
) -> Propagation:  # fmt: skip
    """Add scopes to an Api, and give those that it has a new risk or description.

    None is taken away: keys may hold it. `tenant_id` is the Api's own, None for the platform's.
    `expected_definition` is the one that was read; another now standing is PRECONDITION_FAILED.
    """
    _require(actor, tenant_id, Target("api", api_id))
    faults = Faults()
    check_scopes(faults, scopes)
    faults.settle()
    with _change(tenant_id) as change:
        api = _locked(tenant_id, api_id, expected_definition)
        before = _columns(api)
        Scope.objects.bulk_create(
            [_scope(api, scope) for scope in scopes],
            update_conflicts=True,
            unique_fields=["api", "name"],
            update_fields=["risk", "description"],
        )
        _finish(actor, change, api, before)
    return change.propagation


def replace_routes(
    *, actor: Actor, api_id: str, tenant_id: str | None = None,
    routes: Sequence[RouteDefinition], expected_definition: str | None = None,
) -> Propagation:  # fmt: skip
    """Give an Api these routes in place of all it has.

    `expected_definition` is the one that was read; another now standing is PRECONDITION_FAILED.
    """
    _require(actor, tenant_id, Target("api", api_id))
    with _change(tenant_id) as change:
        api = _locked(tenant_id, api_id, expected_definition)
        faults = Faults()
        check_routes(faults, routes, set(api.scopes.values_list("name", flat=True)))
        faults.settle()
        before = _columns(api)
        api.routes.all().delete()
        Route.objects.bulk_create(_route(api, route) for route in routes)
        _finish(actor, change, api, before)
    return change.propagation


def grant_api(*, actor: Actor, tenant_id: str, api_id: str) -> ApiGrant:
    """Let a tenant's keys be for a platform Api. Again: the same answer, no new event."""
    _require(actor, None, Target("api", api_id))
    with platform_change("a platform Api is unseen by a tenant until it is granted"):
        tenant, api = found(Tenant.objects.all(), tenant_id), found(_of(None), api_id)
        if Api.objects.filter(tenant=tenant, slug=api.slug).exists():
            raise Refusal("CONFLICT", TAKEN)
        grant, new = ApiGrant.objects.get_or_create(tenant=tenant, api=api)
        withdrawn = ApiGrant.objects.filter(pk=grant.pk, withdrawn_at__isnull=False)
        if withdrawn.update(withdrawn_at=None) or new:
            record(Event.API_GRANTED, actor=actor, tenant=tenant.id, target=target_of(api))
    return grant


def withdraw_grant(*, actor: Actor, tenant_id: str, api_id: str, reason: str) -> Propagation:
    """Take a platform Api back: no gateway of it answers for the tenant's keys any more."""
    _require(actor, None, Target("api", api_id))
    checked_reason(reason)
    with platform_change("gateways are the platform's") as change:
        tenant, api = found(Tenant.objects.all(), tenant_id), found(_of(None), api_id)
        grants = ApiGrant.objects.filter(tenant=tenant, api=api)
        if not grants.exists():
            raise Refusal("NOT_FOUND")
        # Gateways, grant, bindings: the order in which a gateway's change takes them.
        list(Gateway.objects.select_for_update(no_key=True).filter(api=api).order_by("id"))
        if grants.filter(withdrawn_at=None).update(withdrawn_at=now()):
            record(
                Event.API_WITHDRAWN, actor=actor, tenant=tenant.id, target=target_of(api),
                reason=reason,
            )  # fmt: skip
        bindings = GatewayTenant.objects.filter(tenant=tenant, gateway__api=api)
        gateways = Gateway.objects.filter(
            id__in=list(bindings.values_list("gateway_id", flat=True))
        )
        bindings.delete()
        gateways.update(version=F("version") + 1)
        for gateway in gateways:
            change.bump(of_gateway(gateway.id), gateway.version)
        change.bump_epoch(tenant.id)
    return change.propagation


def _require(actor: Actor, tenant_id: str | None, target: Target) -> None:
    if tenant_id is not None:
        require_within(actor, tenant_id)
    with (
        platform_attempt(actor, "apis:write", target)
        if tenant_id is None
        else attempt(actor, tenant_id, "apis:write", target)
    ):
        require(actor, "apis:write")


def _change(tenant_id: str | None) -> AbstractContextManager[Change]:
    return platform_change("a platform Api") if tenant_id is None else tenant_change(tenant_id)


def _of(tenant_id: str | None) -> QuerySet[Api]:
    return Api.objects.filter(tenant_id=tenant_id)


def _locked(tenant_id: str | None, api_id: str, expected: str | None) -> Api:
    api = found(_of(tenant_id).select_for_update(no_key=True), api_id)
    if expected not in (None, definition_of(api)):
        raise Refusal("PRECONDITION_FAILED")
    return api


def _scope(api: Api, scope: ScopeDefinition) -> Scope:
    return Scope(api=api, name=scope.name, risk=scope.risk, description=scope.description)


def _route(api: Api, route: RouteDefinition) -> Route:
    return Route(
        api=api, method=route.method, pattern=route.pattern, scopes=list(route.scopes),
        default_purpose=route.default_purpose, consent_required=route.consent_required,
    )  # fmt: skip


def _columns(api: Api) -> dict[str, Any]:
    """What the ledger compares."""
    scopes = list(api.scopes.order_by("name"))
    routes = api.routes.order_by("method", "pattern")
    return {
        "scopes": {scope.name: scope.risk for scope in scopes},
        "descriptions": {scope.name: scope.description for scope in scopes if scope.description},
        "routes": [
            [r.method, r.pattern, r.scopes, r.default_purpose, r.consent_required] for r in routes
        ],
    }


def _finish(actor: Actor, change: Change, api: Api, before: dict[str, Any]) -> None:
    """Record, and raise the epoch of everyone whose keys may be for this Api."""
    record(
        Event.API_CHANGED, actor=actor, tenant=api.tenant_id, target=target_of(api),
        before=before, after=_columns(api),
    )  # fmt: skip
    granted = ApiGrant.objects.filter(api=api).values_list("tenant_id", flat=True)
    change.bump_epochs([api.tenant_id] if api.tenant_id else granted)
