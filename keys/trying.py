"""Why would this be refused? A key's dry run for who may see it, without its secret or a gateway.

The question is read, the rules are asked and the answer is put together by the check path's own
functions, on the key as it stands in PostgreSQL. It spends nothing and stands in no log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from keys.access import access_key
from keys.asking import NOT_STATED, Asked, CountersAway, ask, row_of
from keys.codes import Code
from keys.decision.outcome import Decision, LimitState, decision_of
from keys.decision.question import Ask, Invalid, parse
from keys.decision.routes import Route
from keys.decision.rules import Refused, purpose_of, refusals, route_of
from keys.decision.snapshots import (
    ApiRow,
    ApiSnapshot,
    KeyRow,
    KeySnapshot,
    TenantSnapshot,
    key_snapshot,
)
from keys.models import ApiKey, KeyLimit, Secret
from portal.core.clock import milliseconds
from portal.core.refusals import Refusal
from portal.tenancy import models
from portal.tenancy.actors import Actor
from portal.tenancy.permission import require
from portal.tenancy.scope import tenant_scope

AWAY = Refused(Code.STORE_UNAVAILABLE, "Redis, which holds the counters, does not answer.")


@dataclass(frozen=True)
class Trial:
    """What a check would answer at this moment."""

    allowed: bool
    failures: list[tuple[Code, str]]
    """Every part that would fail, in the contract's order, with words."""
    limits: list[LimitState] | None
    """What is left of each limit; None when nobody knows."""
    kid: str
    """The secret that was taken: of those not revoked the one that lasts longest. May be empty."""
    route: Route | None
    """The Api's route that the request takes."""


def try_out(
    *,
    actor: Actor,
    key_id: str,
    tenant_id: str,
    request: Mapping[str, str] | None = None,
    subject: str | None = None,
    purpose: str | None = None,
    scopes: Sequence[str] = (),
    usage: Mapping[str, int] | None = None,
    environment: str | None = None,
) -> Trial:
    """Ask as POST /v1/keys/check with `dry_run` would; the members mean what they mean there.

    Refuses what a check refuses with 400, pointing at the member. Outside of any scope.
    """
    stated = {
        "request": dict(request) if request else None, "subject": subject, "purpose": purpose,
        "scopes": list(scopes), "usage": None if usage is None else dict(usage),
        "environment": environment,
    }  # fmt: skip
    with tenant_scope(tenant_id):
        require(actor, "keys:read")
        key = snapshot(access_key(actor, key_id, tenant_id=tenant_id))
    try:
        question = parse(msgspec.json.encode({"key": "", "dry_run": True, **stated}))
        route = route_of(key, question)
        reasons = list(refusals(key, question, route, purpose_of(question, route)))
    except Invalid as fault:
        told = {"detail": fault.detail, "pointer": fault.pointer}
        raise Refusal("REQUEST_INVALID", errors=[told]) from None
    decision = _decided(key, question, reasons)
    failures = [(reason.code, reason.detail) for reason in decision.failures or []]
    known = decision.code is not Code.STORE_UNAVAILABLE
    return Trial(not failures, failures, decision.limits if known else None, key.kid, route)


def _decided(key: KeySnapshot, question: Ask, reasons: list[Refused]) -> Decision:
    rank = min((reason.code for reason in reasons), default=Code.OK)
    costs = [question.usage.get(limit.unit, NOT_STATED) for limit in key.limits]
    try:
        (answer,) = ask([Asked(key.packed_limits, costs, rank, key.ends)])
    except CountersAway:
        return Decision(Code.STORE_UNAVAILABLE, failures=[*reasons, AWAY])
    return decision_of("", key, answer, reasons)


def snapshot(key: ApiKey) -> KeySnapshot:
    """The key as a check process would hold it, with one of its secrets. Inside a scope."""
    secret = _secret(key)
    member = models.Membership.objects.select_related("person", "tenant").get(id=key.owner_id)
    tenant = member.tenant
    links = KeyLimit.objects.filter(key=key).select_related("limit").order_by("position")
    row = KeyRow(
        id=key.id, tenant=tenant.id, api=key.api_id, owner=member.id,
        owner_active=member.is_active and member.person.is_active, name=key.name,
        environment=key.environment, state=key.state, scopes=key.scopes, cidrs=key.allowed_cidrs,
        models=key.allowed_models, purposes=key.purposes, metadata=key.metadata,
        version=key.version, expires=_moment(key.expires_at),
        secret_end=_moment(secret and secret.expires_at),
        revoked=_moment(secret and secret.revoked_at), digest="", pepper=0,
        limits=[row_of(link.limit) for link in links],
    )  # fmt: skip
    told = TenantSnapshot(
        tenant.id, tenant.slug, tenant.status, tenant.epoch, tenant.consent_epoch
    )  # fmt: skip
    return key_snapshot(secret.kid if secret else "", row, told, _api(key.api_id), "")


def _secret(key: ApiKey) -> Secret | None:
    def rank(secret: Secret) -> Any:
        ends = secret.expires_at
        return (secret.revoked_at is None, ends is None, ends, secret.issued_at)

    return max(key.secrets.defer("digest"), key=rank, default=None)


def _api(id: str) -> ApiSnapshot:
    routes = [
        Route(r.method, r.pattern, tuple(r.scopes), r.default_purpose, r.consent_required)
        for r in models.Route.objects.filter(api=id).order_by("id")
    ]
    return ApiSnapshot(ApiRow(id, "", routes))


def _moment(at: Any) -> int | None:
    return None if at is None else milliseconds(at)
