"""Gateways come into being, change and are disabled."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core import tokens
from portal.core.cidrs import parse_cidr
from portal.core.clock import now
from portal.core.outbox import Propagation
from portal.core.refusals import Faults, Refusal
from portal.core.tokens import SecretText
from portal.core.versions import of_gateway
from portal.tenancy.actors import Actor
from portal.tenancy.change import Change, platform_change
from portal.tenancy.models import Api, ApiGrant, Gateway, GatewayTenant
from portal.tenancy.permission import found, platform_attempt, require
from portal.tenancy.texts import checked_reason, fault_of_text

ENVIRONMENTS: Final = frozenset({"live", "test"})
HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
MOST: Final = 64
WHY: Final = "a gateway asks for several tenants"


class IssuedGateway(NamedTuple):
    """A new gateway and, this once, its credential."""

    gateway: Gateway
    secret: SecretText


def target_of(gateway: Gateway) -> Target:
    """The gateway as the ledger names it."""
    return Target("gateway", gateway.id, gateway.name)


def create_gateway(
    *,
    actor: Actor,
    name: str,
    api_id: str,
    tenant_ids: Iterable[str],
    environments: Sequence[str],
    allowed_cidrs: Sequence[str] = (),
    declared_headers: Sequence[str] = (),
) -> IssuedGateway:
    """Make a caller of the check API for one Api, bound to tenants that may use it.

    `allowed_cidrs` are its own addresses, none: any. `declared_headers` are those that it sets
    itself on every request.
    """
    _require(actor, Target("gateway", "new", name))
    columns = checked_columns(
        name=name, environments=environments, allowed_cidrs=allowed_cidrs,
        declared_headers=declared_headers,
    )  # fmt: skip
    minted = tokens.mint(tokens.GATEWAY, "live")
    with platform_change(WHY) as change:
        api = found(Api.objects.all(), api_id)
        gateway = Gateway.objects.create(
            **columns, api=api, kid=minted.kid, digest=minted.digest, pepper_id=minted.pepper_id
        )
        change.made = gateway.id
        _bind(gateway, tenant_ids)
        record(
            Event.GATEWAY_CREATED, actor=actor, tenant=None, target=target_of(gateway),
            after=_columns(gateway), version=gateway.version,
        )  # fmt: skip
        change.forget_negatives()
    return IssuedGateway(gateway, minted.secret)


def change_gateway(
    *,
    actor: Actor,
    gateway_id: str,
    expected_version: int | None = None,
    tenant_ids: Iterable[str] | None = None,
    name: str | None = None,
    environments: Sequence[str] | None = None,
    allowed_cidrs: Sequence[str] | None = None,
    declared_headers: Sequence[str] | None = None,
) -> Propagation:
    """Change what is given; the rest stays.

    `expected_version` is the one that was read; another now standing is PRECONDITION_FAILED. A
    disabled gateway is CONFLICT.
    """
    _require(actor, Target("gateway", gateway_id))
    columns = checked_columns(
        name=name, environments=environments, allowed_cidrs=allowed_cidrs,
        declared_headers=declared_headers,
    )  # fmt: skip
    with platform_change(WHY) as change:
        gateway = _locked(gateway_id, expected_version)
        if gateway.disabled_at is not None:
            raise Refusal("CONFLICT", "A disabled gateway stays as it is.")
        before, bound = _columns(gateway), _tenants(gateway)
        for column, value in columns.items():
            setattr(gateway, column, value)
        if tenant_ids is not None:
            gateway.bindings.all().delete()
            _bind(gateway, tenant_ids)
        gateway.version += 1
        gateway.save()
        _publish(change, gateway, {*bound, *_tenants(gateway)})
        record(
            Event.GATEWAY_CHANGED, actor=actor, tenant=None, target=target_of(gateway),
            before=before, after=_columns(gateway), version=gateway.version,
        )  # fmt: skip
    return change.propagation


def disable_gateway(*, actor: Actor, gateway_id: str, reason: str) -> Propagation:
    """Refuse a gateway's credential for ever. Again: the same answer, no new event."""
    _require(actor, Target("gateway", gateway_id))
    checked_reason(reason)
    with platform_change(WHY) as change:
        gateway = _locked(gateway_id)
        if gateway.disabled_at is None:
            gateway.disabled_at = now()
            gateway.version += 1
            gateway.save(update_fields=["disabled_at", "version"])
            record(
                Event.GATEWAY_DISABLED, actor=actor, tenant=None, target=target_of(gateway),
                reason=reason, before={"disabled": False}, after={"disabled": True},
                version=gateway.version,
            )  # fmt: skip
        # Also when nothing changed: the first answer may have been `pending`.
        _publish(change, gateway, _tenants(gateway))
    return change.propagation


def _require(actor: Actor, target: Target) -> None:
    with platform_attempt(actor, "gateways:write", target):
        require(actor, "gateways:write")


def _locked(gateway_id: str, expected_version: int | None = None) -> Gateway:
    gateway = found(Gateway.objects.select_for_update(no_key=True), gateway_id)
    if expected_version not in (None, gateway.version):
        raise Refusal("PRECONDITION_FAILED")
    return gateway


def _tenants(gateway: Gateway) -> list[str]:
    return sorted(gateway.bindings.values_list("tenant_id", flat=True))


def _publish(change: Change, gateway: Gateway, tenant_ids: Iterable[str]) -> None:
    change.bump(of_gateway(gateway.id), gateway.version)
    change.bump_epochs(tenant_ids)


def fault_of_tenants(api: Api, tenant_ids: Sequence[str], *, lock: bool = False) -> Faults:
    """Which of these tenants may not use `api`, by their place; `lock` holds the grants."""
    grants = ApiGrant.objects.filter(api=api, tenant_id__in=tenant_ids).order_by("tenant_id")
    rows = grants.select_for_update(no_key=True) if lock else grants
    may = {api.tenant_id, *(grant.tenant_id for grant in rows if grant.withdrawn_at is None)}
    faults = Faults()
    for place, tenant_id in enumerate(tenant_ids):
        if tenant_id not in may:
            faults.add(f"/tenants/{place}", "This tenant may not use the gateway's Api.")
    return faults


def _bind(gateway: Gateway, tenant_ids: Iterable[str]) -> None:
    wanted = list(dict.fromkeys(tenant_ids))
    # Held until the commit: a grant that is withdrawn meanwhile finds the new bindings.
    fault_of_tenants(gateway.api, wanted, lock=True).settle()
    GatewayTenant.objects.bulk_create(
        GatewayTenant(gateway=gateway, tenant_id=tenant_id) for tenant_id in wanted
    )


def _columns(gateway: Gateway) -> dict[str, Any]:
    """What the ledger compares."""
    return {
        "name": gateway.name, "api": gateway.api_id, "tenants": _tenants(gateway),
        "environments": gateway.environments, "allowed_cidrs": gateway.allowed_cidrs,
        "declared_headers": gateway.declared_headers,
    }  # fmt: skip


def checked_columns(
    *,
    name: str | None = None,
    environments: Sequence[str] | None = None,
    allowed_cidrs: Sequence[str] | None = None,
    declared_headers: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The columns that are given, in their stored form; raises Refusal for what can't be one."""
    faults = Faults()
    columns: dict[str, Any] = {
        "name": name,
        "environments": None if environments is None else sorted(set(environments)),
        "allowed_cidrs": _networks(faults, allowed_cidrs),
        "declared_headers": None if declared_headers is None else list(declared_headers),
    }
    if name is not None:
        faults.add("/name", fault_of_text(name, 128))
    if environments is not None and (not environments or not set(environments) <= ENVIRONMENTS):
        faults.add("/environments", "`live`, `test` or both are needed.")
    if len(declared_headers or ()) > MOST:
        faults.add("/declared_headers", f"At most {MOST} are taken.")
    for place, header in enumerate(declared_headers or ()):
        if not HEADER.fullmatch(header):
            faults.add(f"/declared_headers/{place}", "This is no header's name.")
    faults.settle()
    return {column: value for column, value in columns.items() if value is not None}


def _networks(faults: Faults, cidrs: Sequence[str] | None) -> list[str] | None:
    if cidrs is None:
        return None
    if len(cidrs) > MOST:
        faults.add("/allowed_cidrs", f"At most {MOST} are taken.")
    networks = []
    for place, text in enumerate(cidrs[:MOST]):
        try:
            networks.append(parse_cidr(text))
        except ValueError as error:
            faults.add(f"/allowed_cidrs/{place}", str(error))
    return networks
