"""All keys: the list, and its file."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse

from keys.models import ApiKey, Secret, SecretUse
from keys.pages.day import Day, days_of
from keys.pages.finding import Sought, chosen, sought
from keys.pages.standing import Standing, alive, standing
from keys.remaining import LimitLeft, remaining_of
from portal.core import configuration
from portal.core.charts import left
from portal.tenancy.models import Tenant
from portal.tenancy.pages.lists import COUNTED, csv_response
from portal.tenancy.pages.page import Page

State = ApiKey.State
WINDOWS: Final = {
    "second": "right now", "minute": "of this min", "hour": "of this hour", "day": "of today",
    "month": "of the month",
}  # fmt: skip


@dataclass(frozen=True)
class Scarce:
    """The limit that has least left."""

    percent: int
    css: str
    words: str
    name: str


@dataclass(frozen=True)
class Row:
    """One key as the list shows it."""

    key: ApiKey
    shown: str
    """`csk_live_7Kq2…`."""
    used: dt.datetime | None
    day: Day
    scarce: Scarce | None
    standing: Standing

    @property
    def over(self) -> bool:
        """Whether it is refused whatever is asked: its line is quiet."""
        return self.key.state != State.ACTIVE


class Keys(Page):
    """`/admin/keys/`."""

    needs = "keys:read"
    section = "keys"
    template = "keys/list.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page, or with `format=csv` the file."""
        if request.GET.get("format") == "csv":
            with self.scope():
                listing = sought(request.GET, self.own_tenant)
                if not listing.faults:  # the page says what is wrong, a file would not
                    columns = OWN_COLUMNS if self.within else COLUMNS
                    return csv_response("keys", exported(listing), columns)
        return self.show()

    def show(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page; what the address asks wrongly is told, and its status says so."""
        response = super().show(*args, **kwargs)
        if self.faulty:
            response.status_code = 400
        return response

    faulty = False

    def context(self) -> dict[str, Any]:
        listing = sought(self.request.GET, self.own_tenant)
        self.faulty = bool(listing.faults)
        # Which, then what of them: the sort never carries whole rows.
        ids = chosen(listing).values_list("id", flat=True)
        # What was never used is found by looking through all of them: once will do.
        listing.take(ids, at_once=listing.chosen["used"] == "never")
        whole = ApiKey.objects.select_related("tenant", "owner__person").in_bulk(listing.rows)
        rows, known = shown([whole[id] for id in listing.rows])
        return {
            "list": listing, "rows": rows, "known": known, "sums": sums(listing.tenant),
            "csv": listing.address(format="csv"), "may_write": self.may("keys:write"),
            "base_url": configuration.BASE_URL().rstrip("/"),
        }  # fmt: skip


def shown(keys: Sequence[ApiKey]) -> tuple[list[Row], bool]:
    """The keys as rows, by a few queries for all; and whether anyone knows what is left."""
    secrets: dict[str, list[Secret]] = defaultdict(list)
    uses: dict[str, dt.datetime] = {}
    ids = [key.id for key in keys]
    last = SecretUse.objects.filter(kid=OuterRef("kid")).values("last_used_at")
    held = Secret.objects.filter(key_id__in=ids).defer("digest", "pepper_id")
    for secret in held.annotate(last=Subquery(last[:1])):
        secrets[secret.key_id].append(secret)
        if secret.last is not None:
            uses[secret.key_id] = max(secret.last, uses.get(secret.key_id, secret.last))
    limits, days = remaining_of(keys), days_of(keys)
    known = limits is not None
    return [
        _row(key, secrets[key.id], uses.get(key.id), days[key.id], (limits or {}).get(key.id, []))
        for key in keys
    ], known


def _row(
    key: ApiKey, secrets: list[Secret], used: dt.datetime | None, day: Day,
    limits: Iterable[LimitLeft],
) -> Row:  # fmt: skip
    least = scarcest(limits)
    newest = (alive(secrets) or sorted(secrets, key=lambda s: s.issued_at))[-1:]
    head = f"{configuration.KEY_BRAND()}_{key.environment}_"
    return Row(
        key, f"{head}{newest[0].kid[:4]}…" if newest else f"{head}…", used, day, least,
        standing(key, secrets=secrets, used=used, day=day, left=least.percent if least else None),
    )  # fmt: skip


def scarcest(limits: Iterable[LimitLeft]) -> Scarce | None:
    """The limit of which the smallest share is left."""
    each = [(*left(limit.remaining, limit.full), limit) for limit in limits]
    if not each:
        return None
    percent, css, limit = min(each, key=lambda item: item[0])
    return Scarce(percent, css, f"{percent} % {WINDOWS[limit.window]}", limit.name)


@dataclass(frozen=True)
class Sums:
    """How many keys there are, for the sentence on top."""

    active: int
    tenants: int
    any: bool

    @property
    def many(self) -> bool:
        """Whether there are more than were counted."""
        return self.active > COUNTED


SUMS: Final = """
SELECT
    (SELECT count(*) FROM (
        SELECT FROM keys_apikey k WHERE {mine} AND {active} LIMIT %(most)s) counted),
    (SELECT count(*) FROM tenancy_tenant t
        WHERE EXISTS (SELECT FROM keys_apikey k WHERE k.tenant_id = t.id AND {mine} AND {active})),
    EXISTS (SELECT FROM keys_apikey k WHERE {mine})
"""
ACTIVE: Final = "k.state = 'active' AND (k.expires_at IS NULL OR k.expires_at > now())"


def sums(tenant: Tenant | None) -> Sums:
    """Active keys, counted to 10 000, and the tenants that have any."""
    mine = "k.tenant_id = %(tenant)s" if tenant else "true"
    asked: dict[str, Any] = {"most": COUNTED + 1, "tenant": tenant.id if tenant else ""}
    with connection.cursor() as cursor:
        cursor.execute(SUMS.format(mine=mine, active=ACTIVE), asked)
        return Sums(*cursor.fetchone())


COLUMNS: Final[dict[str, Any]] = {
    "id": lambda key: key.id,
    "name": lambda key: key.name,
    "tenant": lambda key: key.tenant.slug,
    "owner": lambda key: key.owner.person.name,
    "environment": lambda key: key.environment,
    "state": lambda key: key.state,
    "scopes": lambda key: key.scopes,
    "allowed_cidrs": lambda key: key.allowed_cidrs,
    "allowed_models": lambda key: key.allowed_models,
    "created_at": lambda key: key.created_at,
    "expires_at": lambda key: key.expires_at,
    "last_used_at": lambda key: key.last_used_at,
    "public_id": lambda key: key.kid,
}
"""Of the file; nothing of a secret but the public id."""
OWN_COLUMNS: Final = {name: read for name, read in COLUMNS.items() if name != "tenant"}
"""Of a tenant's own file."""


def exported(listing: Sought) -> Iterable[ApiKey]:
    """The keys for the file, in the list's order, read as they are written."""
    of_key = {"key_id": OuterRef("id")}
    uses = SecretUse.objects.filter(**of_key).order_by("-last_used_at").values("last_used_at")
    kids = Secret.objects.filter(**of_key).order_by("-issued_at", "-kid").values("kid")
    rows = chosen(listing).select_related("tenant", "owner__person").order_by(*listing.order())
    return rows.annotate(
        last_used_at=Subquery(uses[:1]), kid=Subquery(kids[:1])
    ).iterator(chunk_size=2_000)  # fmt: skip
