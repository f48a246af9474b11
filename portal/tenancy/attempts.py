"""Refused attempts and exposed credentials, recorded in transactions of their own.

What nobody proved to send is recorded only so often a minute: a flood of it must not fill the
ledger. With Redis away, which counts it, it is not recorded at all (DESIGN.md, section 8).
"""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from rest_framework.request import Request

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.refusals import record_refusal, record_refused_credential
from audit.ledger.target import Target
from audit.ledger.who import Who
from portal.core.client_address import client_address
from portal.core.throttle import within
from portal.core.tokens import Shape
from portal.tenancy.actors import Actor
from portal.tenancy.scope import platform_scope, tenant_scope

REFUSED_BY_ADDRESS: Final = 10
REFUSED_BY_ALL: Final = 100
"""Entries a minute for credentials that were refused: from one network, and from all of them."""

MANAGEMENT_API: Final = Target("endpoint", "management-api", "the management API")
Way = Literal["in a query string", "over plain HTTP"]
CREDENTIALS: Final = {"csm": "management token", "csg": "gateway token", "csd": "directory token"}


@dataclass(frozen=True)
class Exposed:
    """A real credential that was sent where it is written down by others."""

    credential: str
    """Its kind, in words."""
    id: str
    label: str
    tenant_id: str | None


def address_of(request: Request) -> str | None:
    """The caller's address (portal.core.client_address)."""
    meta = request.META
    return client_address(meta.get("REMOTE_ADDR") or "", meta.get("HTTP_X_FORWARDED_FOR") or "")


def network_of(address: str | None) -> str:
    """What one caller can change at no cost counts as one: an IPv6 address stands for its /64."""
    if address is None:
        return "none"
    if ":" in address:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return address


def _someone(request: Request) -> Who:
    return Who(
        kind="service",
        id="unknown",
        label="an unknown caller",
        request_id=getattr(request, "request_id", None),
        address=address_of(request),
    )


@contextmanager
def _scope_of(tenant_id: str | None) -> Iterator[None]:
    if tenant_id is None:
        with platform_scope("a refused credential belongs to no tenant"):
            yield
    else:
        with tenant_scope(tenant_id):
            yield


def note_refused(request: Request, shape: Shape | None, tenant_id: str | None) -> None:
    """Record that a credential was refused; `tenant_id` only when its secret was right."""
    network = network_of(address_of(request))
    if not within(f"refused:{network}", REFUSED_BY_ADDRESS, 60):
        return
    if not within("refused", REFUSED_BY_ALL, 60):
        return
    with _scope_of(tenant_id):
        record_refused_credential(
            actor=_someone(request),
            tenant=tenant_id,
            target=MANAGEMENT_API,
            credential=CREDENTIALS.get(shape.brand, "API key") if shape else "credential",
            kid=shape.kid if shape else None,
            code="CREDENTIAL_INVALID",
        )


def note_exposed(exposed: Exposed, request: Request, way: Way = "in a query string") -> None:
    """Record that others could read a real credential, once a minute for each."""
    if not within(f"exposed:{exposed.id}", 1, 60):
        return
    with _scope_of(exposed.tenant_id):
        record(
            Event.CREDENTIAL_EXPOSED,
            actor=_someone(request),
            tenant=exposed.tenant_id,
            target=Target(exposed.credential.replace(" ", "_").lower(), exposed.id, exposed.label),
            outcome="denied",
            payload={"credential": exposed.credential, "way": way},
        )


def note_forbidden(actor: Actor, tenant_id: str, action: str, target: Target) -> None:
    """Record that someone known was refused an action."""
    with tenant_scope(tenant_id):
        record_refusal(
            actor=actor, tenant=tenant_id, target=target, action=action, code="FORBIDDEN"
        )
