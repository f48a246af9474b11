"""What the list of keys is asked for: its search, its filters, and the rows that they leave."""

import re
from dataclasses import dataclass
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict

from keys.models import ApiKey, Secret, SecretUse
from keys.pages import standing
from keys.pages.day import much_refused
from portal.core import configuration
from portal.core.clock import now
from portal.tenancy.models import Membership, Tenant
from portal.tenancy.pages.lists import COUNTED, Column, Filter, Listing

State = ApiKey.State
CHOOSABLE: Final = 50
"""Tenants, or a tenant's owners, that a select offers; beyond, their name is typed."""
SHOWN: Final = 25
"""Keys of one page: a line of this list is long."""

STATE: Final = Filter(
    "state", "State",
    [
        ("", "Any state"), ("attention", "Needs attention"), ("active", "Active"),
        ("expired", "Expired"), ("suspended", "Suspended"), ("revoked", "Revoked"),
        ("leaked", "Leaked"), ("pending", "Pending"),
    ],
)  # fmt: skip
ENVIRONMENT: Final = Filter(
    "environment", "Environment", [("", "live and test"), ("live", "live"), ("test", "test")]
)
USED: Final = Filter(
    "used", "Last used",
    [("", "Any use"), ("idle", "Not for 30 days"), ("never", "Never used")],
)  # fmt: skip
EXPIRY: Final = Filter(
    "expiry", "Expires",
    [
        ("", "Any expiry"), ("24h", "In 24 hours"), ("7d", "In 7 days"),
        ("none", "No expiry"),
    ],
)  # fmt: skip
SORTS: Final = (
    Column("created", ["created_at", "id"]),
    Column("name", ["name", "id"]),
    Column("expires", ["expires_at", "id"]),
)
ELLIPSIS: Final = re.compile(r"(…|\.\.\.)$")
KID: Final = re.compile(r"[0-9A-Za-z]{4,12}", re.ASCII)


@dataclass
class Sought(Listing):
    """The list as it is asked for, with the tenant and the owners to choose from."""

    tenant: Tenant | None = None
    typed_tenant: bool = False
    """Whether there are too many tenants for a select."""

    def __post_init__(self) -> None:
        super().__post_init__()
        number = self.query.get("page", "1")
        fine = number.isascii() and number.isdecimal()
        self.page = max(1, min(int(number[:9]), COUNTED // self.size)) if fine else 1
        if not self.query.get("sort"):
            self.descending = True  # the newest first


def sought(query: QueryDict, own: Tenant | None = None) -> Sought:
    """Read the address. Inside the scope. On a tenant's own pages there is no other to choose."""
    query = query.copy()
    if own:
        query.pop("tenant", None)
    choice, tenant, typed = (None, own, False) if own else _tenants(query.get("tenant", ""))
    owners = _owners(tenant, query.get("owner", ""))
    listing = Sought(
        query,
        filters=[
            *([choice] if choice else []), STATE, ENVIRONMENT, *([owners] if owners else []),
            USED, EXPIRY,
        ],
        columns=SORTS,
        searched="Name, id, owner, csk_live_7Kq2…",
        typed_tenant=typed,
        size=SHOWN,
    )  # fmt: skip
    listing.tenant = tenant
    return listing


def _tenants(asked: str) -> tuple[Filter, Tenant | None, bool]:
    """The tenants to choose from, the one that is asked for, and whether they are too many."""
    slug = asked.replace("\0", "")
    some = Tenant.objects.order_by("slug").values("id")[: CHOOSABLE + 1]
    known = list(Tenant.objects.filter(Q(id__in=some) | Q(slug=slug)).order_by("slug"))
    typed = len(known) > CHOOSABLE
    if typed:
        known = [each for each in known if each.slug == slug]
    choices = [("", "Any tenant"), *((each.slug, each.name) for each in known)]
    tenant = next((each for each in known if each.slug == slug), None)
    return Filter("tenant", "Tenant", choices), tenant, typed


def _owners(tenant: Tenant | None, asked: str) -> Filter | None:
    """Owners to choose from: a small tenant's people, else the one who is asked for."""
    rows = Membership.objects.select_related("person").order_by("person__name", "id")
    found = list(rows.filter(tenant=tenant)[: CHOOSABLE + 1]) if tenant else []
    if len(found) > CHOOSABLE or not tenant:
        found = list(rows.filter(id=asked[:64].replace("\0", ""))) if asked else []
    if not (found or asked):
        return None
    return Filter("owner", "Owner", [("", "Any owner"), *((m.id, m.person.name) for m in found)])


def chosen(listing: Sought) -> QuerySet[ApiKey]:
    """The keys that search and filters leave."""
    rows, picked = ApiKey.objects.all(), listing.chosen
    tenant = listing.tenant.id if listing.tenant else ""
    if listing.tenant:
        rows = rows.filter(tenant=listing.tenant)
    if picked["environment"]:
        rows = rows.filter(environment=picked["environment"])
    if picked.get("owner"):
        rows = rows.filter(owner_id=picked["owner"])
    if listing.q:
        rows = rows.filter(searched(listing.q))
    if picked["state"]:
        rows = rows.filter(_state(picked["state"], tenant))
    for name, meaning in (("used", _used), ("expiry", _expiry)):
        if picked[name]:
            rows = rows.filter(meaning(picked[name]))
    return rows


def searched(text: str) -> Q:
    """What a search finds: `csk_live_7Kq2…` by its public id, else names, ids and owners."""
    text = ELLIPSIS.sub("", text).strip()
    shown = re.fullmatch(rf"{configuration.KEY_BRAND()}_(live|test)(?:_([0-9A-Za-z]*))?", text)
    if shown:
        environment, kid = shown.groups()
        by_kid = Q(id__in=Secret.objects.filter(kid__startswith=kid).values("key")) if kid else Q()
        return Q(environment=environment) & by_kid
    owners = Membership.objects.filter(
        Q(person__name__icontains=text) | Q(person__email__icontains=text) | Q(id=text)
    )
    found = Q(name__icontains=text) | Q(id=text) | Q(owner_id__in=owners.values("id"))
    if KID.fullmatch(text):
        found |= Q(id__in=Secret.objects.filter(kid__startswith=text).values("key"))
    return found


def in_need(tenant_id: str) -> QuerySet[ApiKey]:
    """A tenant's keys that need attention, as the list finds them. Inside its scope."""
    return ApiKey.objects.filter(_state("attention", tenant_id), tenant_id=tenant_id)


def _state(wanted: str, tenant: str) -> Q:
    active = Q(state=State.ACTIVE)
    if wanted == "attention":
        refused = much_refused(share=standing.REFUSED, few=standing.FEW, tenant=tenant)
        urgent = Q(expires_at__lt=now() + standing.SOON) | Q(id__in=refused)
        gone = Membership.objects.filter(Q(is_active=False) | Q(person__is_active=False))
        orphaned = Q(owner_id__in=gone.values("id"))
        return Q(state=State.LEAKED) | (active & (urgent | orphaned))
    if wanted == "expired":
        return active & Q(expires_at__lte=now())
    if wanted == "active":
        return active & (Q(expires_at=None) | Q(expires_at__gt=now()))
    return Q(state=wanted)


def _used(wanted: str) -> Q:
    uses = SecretUse.objects.filter(key_id=OuterRef("id"))
    if wanted == "never":
        return ~Q(Exists(uses))
    since = now() - standing.IDLE
    lately = Q(Exists(uses.filter(last_used_at__gte=since)))
    # Those that were never used are found by `never`, as their chips say.
    return Q(Exists(uses), state=State.ACTIVE, created_at__lt=since) & ~lately


def _expiry(wanted: str) -> Q:
    if wanted == "none":
        return Q(expires_at=None)
    within = standing.DAY if wanted == "24h" else standing.SOON
    return Q(state=State.ACTIVE, expires_at__gt=now(), expires_at__lt=now() + within)
