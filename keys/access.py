"""The only way to a key or a limit: the tenant's filter is inside, a foreign one is not found."""

from typing import TypeVar

from django.db.models import Model

from keys.models import ApiKey, Limit
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.permission import ID, found
from portal.tenancy.scope import platform_scope

M = TypeVar("M", ApiKey, Limit)


def access_key(
    actor: Actor, key_id: str, *, tenant_id: str | None = None, lock: bool = False
) -> ApiKey:
    """The key; raises Refusal NOT_FOUND. Inside the tenant's scope.

    `tenant_id` is needed when the actor has no tenant of its own. `lock` holds the row until the
    transaction ends.
    """
    return _access(ApiKey, actor, key_id, tenant_id, lock)


def access_limit(
    actor: Actor, limit_id: str, *, tenant_id: str | None = None, lock: bool = False
) -> Limit:
    """The limit, a key's own or shared; raises Refusal NOT_FOUND. Inside the tenant's scope."""
    return _access(Limit, actor, limit_id, tenant_id, lock)


def tenant_of_key(actor: Actor, key_id: str) -> str:
    """In which tenant an actor's key is looked for: their own, else wherever the key is."""
    return actor.tenant_id or _tenant_of(ApiKey, key_id)


def tenant_of_limit(actor: Actor, limit_id: str) -> str:
    """The same for a limit."""
    return actor.tenant_id or _tenant_of(Limit, limit_id)


def _access(model: type[M], actor: Actor, object_id: str, tenant_id: str | None, lock: bool) -> M:
    if tenant_id is not None and actor.tenant_id not in (None, tenant_id):
        raise Refusal("NOT_FOUND")
    rows = model._default_manager.filter(tenant_id=tenant_id or actor.tenant_id or "")
    return found(rows.select_for_update(no_key=True) if lock else rows, object_id)


def _tenant_of(model: type[Model], object_id: str) -> str:
    tenant_id: str | None = None
    if ID.fullmatch(object_id):
        with platform_scope("an actor without a tenant names the object alone"):
            rows = model._default_manager.filter(pk=object_id)
            tenant_id = rows.values_list("tenant_id", flat=True).first()
    if tenant_id is None:
        raise Refusal("NOT_FOUND")
    return tenant_id
