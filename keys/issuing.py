"""Issue a key: the only creator of keys."""

from dataclasses import dataclass

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from keys.definitions import KeyDefinition
from keys.entitlement import api_for, owner_for, require_networks, require_scopes
from keys.governed import governed, target_of
from keys.limiting import put_under
from keys.models import ApiKey, Secret
from portal.core import configuration, tokens
from portal.core.tokens import SecretText
from portal.tenancy.actors import Actor
from portal.tenancy.change import tenant_change
from portal.tenancy.permission import attempt, require, require_within


@dataclass(frozen=True)
class Issued:
    """A new key and, this once, its text."""

    key: ApiKey
    secret: SecretText


def issue_key(*, actor: Actor, tenant_id: str, definition: KeyDefinition) -> Issued:
    """Issue a key that works at once, owned by `definition.owner` or else the actor.

    Refuses: an Api, owner or scope that the tenant lacks (REQUEST_INVALID, with pointers), a scope
    of high risk (APPROVAL_REQUIRED), a shared limit that is defined otherwise (CONFLICT).
    """
    require_within(actor, tenant_id)
    aim = Target("tenant", tenant_id)
    with attempt(actor, tenant_id, "keys:write", aim), tenant_change(tenant_id) as change:
        require(actor, "keys:write")
        api = api_for(tenant_id, definition.api)
        owner = owner_for(tenant_id, definition.owner or actor.membership_id)
        require_scopes(api.id, definition.scopes)
        require_networks(definition.environment, definition.allowed_cidrs)
        key = ApiKey.objects.create(
            tenant_id=tenant_id, api=api, owner=owner, name=definition.name,
            environment=definition.environment, scopes=list(definition.scopes),
            allowed_cidrs=list(definition.allowed_cidrs),
            allowed_models=list(definition.allowed_models),
            purposes=None if definition.purposes is None else list(definition.purposes),
            metadata=dict(definition.metadata), expires_at=definition.expires_at,
        )  # fmt: skip
        put_under(key, definition.limits)
        secret = _secret(key)
        change.made = key.id
        change.forget_negatives()
        record(
            Event.KEY_ISSUED, actor=actor, tenant=tenant_id, target=target_of(key),
            after=governed(key), version=key.version,
        )  # fmt: skip
    return Issued(key, secret)


def _secret(key: ApiKey) -> SecretText:
    minted = tokens.mint(configuration.KEY_BRAND(), key.environment)
    Secret.objects.create(
        kid=minted.kid, tenant_id=key.tenant_id, key=key,
        digest=minted.digest, pepper_id=minted.pepper_id,
    )  # fmt: skip
    return minted.secret
