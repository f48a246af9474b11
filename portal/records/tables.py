"""The governed tables, and what of each is shown: never a digest, a password, anything sealed."""

from typing import Final

from django.db.models import Model

from audit.ledger.models import Entry
from keys.models import ApiKey, Limit, Secret
from portal.records.readonly import ReadOnly
from portal.tenancy.models import (
    Api,
    Gateway,
    ManagementToken,
    Membership,
    Person,
    Route,
    Scope,
    Tenant,
)


class Tenants(ReadOnly):
    title = "Tenants"
    what = "Whose keys, people and rules these are."
    list_display = ("slug", "name", "status", "created_at")
    list_filter = ("status",)
    search_fields = ("id__exact", "slug__exact")
    search_help_text = "Id or slug"
    ordering = ("slug",)
    fields = ("id", "slug", "name", "status", "epoch", "consent_epoch", "created_at")


class People(ReadOnly):
    title = "People"
    what = "Who signs in."
    list_display = ("name", "email", "platform_role", "is_active", "last_sign_in_at")
    list_filter = ("platform_role", "is_active")
    search_fields = ("id__exact", "email__exact")
    search_help_text = "Id or email"
    ordering = ("email",)
    fields = (
        "id", "name", "email", "platform_role", "is_active", "created_at", "last_sign_in_at",
    )  # fmt: skip


class Memberships(ReadOnly):
    title = "Memberships"
    what = "A person's role in a tenant; what owns keys."
    list_display = ("id", "person", "tenant", "role", "is_active", "created_at")
    list_filter = ("role", "is_active")
    list_select_related = ("person", "tenant")
    search_fields = (
        "id__exact",
        "person__id__exact",
        "person__email__exact",
        "tenant__slug__exact",
    )
    search_help_text = "Id, person's id or email, tenant's slug"
    fields = ("id", "person", "tenant", "role", "is_active", "created_at")


class Apis(ReadOnly):
    title = "APIs"
    what = "What is protected."
    list_display = ("slug", "name", "tenant", "created_at")
    list_select_related = ("tenant",)
    search_fields = ("id__exact", "slug__exact")
    search_help_text = "Id or slug"
    ordering = ("slug", "id")
    fields = ("id", "slug", "name", "tenant", "created_at")


class Scopes(ReadOnly):
    title = "Scopes"
    what = "Rights on an API, each with its risk."
    list_display = ("name", "api", "risk", "description")
    list_filter = ("risk",)
    list_select_related = ("api",)
    search_fields = ("api__id__exact", "api__slug__exact")
    search_help_text = "The API's id or slug"
    fields = ("id", "name", "api", "risk", "description")


class Routes(ReadOnly):
    title = "Routes"
    what = "Methods and paths of an API, and the scopes that they need."
    list_display = ("pattern", "method", "api", "scopes", "consent_required")
    list_select_related = ("api",)
    search_fields = ("api__id__exact", "api__slug__exact")
    search_help_text = "The API's id or slug"
    fields = (
        "id", "api", "method", "pattern", "scopes", "default_purpose", "consent_required",
    )  # fmt: skip


class Gateways(ReadOnly):
    title = "Gateways"
    what = "Who asks about keys."
    list_display = ("name", "id", "api", "environments", "disabled_at")
    list_select_related = ("api",)
    search_fields = ("id__exact", "kid__exact")
    search_help_text = "Id or its credential's public id"
    fields = (
        "id", "name", "kid", "api", "environments", "allowed_cidrs", "declared_headers",
        "version", "disabled_at", "created_at",
    )  # fmt: skip


class Keys(ReadOnly):
    title = "Keys"
    what = "What a service may do, for one API."
    list_display = ("name", "id", "tenant", "api", "environment", "state", "expires_at")
    list_filter = ("state", "environment")
    list_select_related = ("tenant", "api", "owner__person")
    search_fields = ("id__exact",)
    search_help_text = "Id"
    fields = (
        "id", "name", "tenant", "api", "owner", "environment", "state", "scopes",
        "allowed_cidrs", "allowed_models", "purposes", "metadata", "expires_at", "version",
        "created_at",
    )  # fmt: skip


class Secrets(ReadOnly):
    title = "Secrets"
    what = "What proves a key: the public ids and ends, never the text or its digest."
    list_display = ("kid", "key", "tenant", "issued_at", "expires_at", "revoked_at")
    list_select_related = ("key", "tenant")
    search_fields = ("kid__exact", "key__id__exact")
    search_help_text = "Public id, or the key's id"
    fields = ("kid", "key", "tenant", "pepper_id", "issued_at", "expires_at", "revoked_at")


class Limits(ReadOnly):
    title = "Limits"
    what = "How much, of one key or shared by a tenant's keys."
    list_display = ("name", "id", "tenant", "key", "amount", "unit", "window", "algorithm", "burst")
    list_filter = ("window", "algorithm")
    list_select_related = ("tenant", "key")
    search_fields = ("id__exact", "tenant__slug__exact")
    search_help_text = "Id, or the tenant's slug"
    fields = (
        "id", "name", "tenant", "key", "unit", "amount", "window", "algorithm", "burst", "version",
        "created_at",
    )  # fmt: skip


class ManagementTokens(ReadOnly):
    title = "Management tokens"
    what = "Automation of one tenant: scopes and ends, never the text or its digest."
    list_display = ("name", "id", "tenant", "creator", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("tenant", "creator__person")
    search_fields = ("id__exact", "kid__exact", "tenant__slug__exact")
    search_help_text = "Id, public id or the tenant's slug"
    fields = (
        "id", "name", "kid", "tenant", "creator", "scopes", "expires_at", "revoked_at",
        "last_used_at", "created_at",
    )  # fmt: skip


class Entries(ReadOnly):
    title = "Ledger entries"
    what = "The ledger's rows as they are stored. The ledger's own page tells them."
    list_display = ("occurred_at", "id", "type", "outcome", "actor_id", "object_id", "tenant_id")
    search_fields = (
        "id__exact", "actor_id__exact", "object_id__exact", "request_id__exact",
    )  # fmt: skip
    search_help_text = "Id of the entry, its actor, its target or its request"
    ordering = ("-occurred_at", "-id")
    fields = (
        "id", "occurred_at", "type", "outcome", "tenant_id", "actor_kind", "actor_id",
        "object_type", "object_id", "object_version", "request_id", "txid", "envelope",
    )  # fmt: skip


MODELS: Final[dict[type[Model], type[ReadOnly]]] = {
    Tenant: Tenants, Person: People, Membership: Memberships, Api: Apis, Scope: Scopes,
    Route: Routes, Gateway: Gateways, ApiKey: Keys, Secret: Secrets, Limit: Limits,
    ManagementToken: ManagementTokens, Entry: Entries,
}  # fmt: skip
