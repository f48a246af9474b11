"""Keys and limits as the API, pages and commands show them (CONTRACT.md, key)."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from keys.governed import limit_shape
from keys.models import ApiKey, KeyLimit, Limit, Secret, SecretUse
from portal.core.clock import rfc3339
from portal.tenancy.models import Api, Tenant

Shape = dict[str, Any]


def represent_key(key: ApiKey) -> Shape:
    """One key. Inside its tenant's scope."""
    return represent_keys([key])[0]


def represent_keys(keys: Iterable[ApiKey]) -> list[Shape]:
    """Any number of keys of one scope, by five queries."""
    keys = list(keys)
    ids = [key.id for key in keys]
    tenants = Tenant.objects.in_bulk({key.tenant_id for key in keys})
    apis = Api.objects.in_bulk({key.api_id for key in keys})
    limits, secrets = _limits(ids), _secrets(ids)
    uses = {use.kid: use.last_used_at for use in SecretUse.objects.filter(key_id__in=ids)}
    return [
        _shape(key, tenants[key.tenant_id], apis[key.api_id], limits[key.id], secrets[key.id], uses)
        for key in keys
    ]


def represent_limit(limit: Limit) -> Shape:
    """A limit with its id; `key` is null for one that the tenant's keys share."""
    return {
        "id": limit.id, **limit_shape(limit), "key": limit.key_id,
        "created_at": rfc3339(limit.created_at), "version": limit.version,
    }  # fmt: skip


def _limits(key_ids: list[str]) -> dict[str, list[Shape]]:
    found: dict[str, list[Shape]] = defaultdict(list)
    links = KeyLimit.objects.filter(key_id__in=key_ids).select_related("limit")
    for link in links.order_by("key_id", "position"):
        found[link.key_id].append(limit_shape(link.limit))
    return found


def _secrets(key_ids: list[str]) -> dict[str, list[Secret]]:
    found: dict[str, list[Secret]] = defaultdict(list)
    rows = Secret.objects.filter(key_id__in=key_ids).defer("digest", "pepper_id")
    for secret in rows.order_by("issued_at", "kid"):
        found[secret.key_id].append(secret)
    return found


def _shape(
    key: ApiKey, tenant: Tenant, api: Api, limits: list[Shape], secrets: list[Secret],
    uses: dict[str, dt.datetime],
) -> Shape:  # fmt: skip
    last = max((uses[secret.kid] for secret in secrets if secret.kid in uses), default=None)
    return {
        "id": key.id, "name": key.name, "tenant": tenant.slug, "api": api.slug,
        "environment": key.environment, "owner": key.owner_id, "state": key.state,
        "scopes": key.scopes, "limits": limits, "allowed_cidrs": key.allowed_cidrs,
        "allowed_models": key.allowed_models, "purposes": key.purposes, "metadata": key.metadata,
        "expires_at": rfc3339(key.expires_at), "created_at": rfc3339(key.created_at),
        "last_used_at": rfc3339(last),
        "secrets": [
            {
                "kid": secret.kid, "issued_at": rfc3339(secret.issued_at),
                "expires_at": rfc3339(secret.expires_at), "revoked_at": rfc3339(secret.revoked_at),
                "last_used_at": rfc3339(uses.get(secret.kid)),
            }
            for secret in secrets
        ],
        "version": key.version,
    }  # fmt: skip
