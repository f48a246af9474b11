"""Whether an actor may, asked first by every verb."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from django.db import IntegrityError
from django.db.models import Model, QuerySet
from psycopg.errors import UniqueViolation

from audit.ledger.refusals import record_refusal
from audit.ledger.target import Target
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.scope import platform_scope, tenant_scope

ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)

M = TypeVar("M", bound=Model)


def found(rows: QuerySet[M], id: Any) -> M:
    """The row with this id; NOT_FOUND for an unknown one, a foreign one and what can't be one."""
    row = rows.filter(pk=id).first() if isinstance(id, str) and ID.fullmatch(id) else None
    if row is None:
        raise Refusal("NOT_FOUND")
    return row


def within(actor: Actor, rows: QuerySet[M]) -> QuerySet[M]:
    """Those of `rows` that are the actor's tenant's; all of them for who has no tenant."""
    return rows if actor.tenant_id is None else rows.filter(tenant_id=actor.tenant_id)


def require(actor: Actor, action: str) -> None:
    """Refuse unless the role × action matrix allows `action`."""
    if not actor.may(action):
        raise Refusal("FORBIDDEN")


def require_within(actor: Actor, tenant_id: str) -> None:
    """Refuse an actor of another tenant, as if this one were not there."""
    if actor.tenant_id not in (None, tenant_id):
        raise Refusal("NOT_FOUND")


@contextmanager
def unless_taken(detail: str) -> Iterator[None]:
    """Answer CONFLICT when a row with the same unique name exists; around the whole transaction."""
    try:
        yield
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise Refusal("CONFLICT", detail) from None
        raise


@contextmanager
def attempt(actor: Actor, tenant_id: str, action: str, target: Target) -> Iterator[None]:
    """Record what is refused to someone known, in a transaction of its own: around the verb's."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code in ("FORBIDDEN", "APPROVAL_REQUIRED"):
            with tenant_scope(tenant_id):
                record_refusal(
                    actor=actor, tenant=tenant_id, target=target, action=action, code=refusal.code
                )
        raise


@contextmanager
def platform_attempt(actor: Actor, action: str, target: Target) -> Iterator[None]:
    """The same for what belongs to no tenant."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code in ("FORBIDDEN", "APPROVAL_REQUIRED"):
            with platform_scope("a refused attempt on what belongs to no tenant"):
                record_refusal(
                    actor=actor, tenant=None, target=target, action=action, code=refusal.code
                )
        raise
