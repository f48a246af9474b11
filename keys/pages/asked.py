"""What the list of decisions is asked for: a time that ends, filters that an index carries."""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from django.db import DatabaseError, connection, transaction
from django.db.models import Q, QuerySet, Subquery
from django.http import QueryDict

from keys.codes import Code
from keys.decision.addresses import address
from keys.models import Decision, Secret
from portal.core import configuration
from portal.core.clock import UTC, now
from portal.core.ids import ALPHABET
from portal.tenancy.models import Gateway, Tenant
from portal.tenancy.pages.list_page import tenant_choice
from portal.tenancy.pages.lists import COUNTED, UNKEPT, Chip, Filter, Listing

T = TypeVar("T")
DAY: Final = dt.timedelta(days=1)
LONGEST: Final = 31
"""Days that one list may reach over."""
ROWS: Final = 2_000
COUNT: Final = 60
"""Milliseconds that finding the rows may take, and counting them."""
PLACES: Final = ("older", "newer")
PLACE: Final = re.compile(r"(\d{1,17})~([0-9A-Za-z-]{1,64})", re.ASCII)
MICROSECOND: Final = dt.timedelta(microseconds=1)
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=UTC)

PERIODS: Final = {"1h": DAY / 24, "": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
PERIOD: Final = Filter(
    "period", "Time",
    [("", "Last 24 hours"), ("1h", "Last hour"), ("7d", "Last 7 days"), ("30d", "Last 30 days")],
)  # fmt: skip
OUTCOME: Final = Filter(
    "outcome", "Outcome", [("", "Any outcome"), ("allowed", "Allowed"), ("denied", "Denied")]
)
CODE: Final = Filter(
    "code", "Code",
    [("", "Any code"), *((c.name, c.name) for c in Code if c > Code.KEY_UNKNOWN)],
)  # fmt: skip
EXACT: Final = ("key", "kid", "gateway", "address", "subject")
"""Filters that pages link to and that a search turns into."""
TEXT: Final = re.compile(r"[0-9A-Za-z_.:-]{1,64}", re.ASCII)
SHAPES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("key", re.compile(r"key_[0-9A-Za-z]{1,32}", re.ASCII)),
    ("gateway", re.compile(r"gw_[0-9A-Za-z]{1,32}", re.ASCII)),
    ("subject", re.compile(r"[0-9a-f]{32}", re.ASCII)),
    ("kid", re.compile(rf"[{ALPHABET}]{{12}}", re.ASCII)),
)
ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
UNKNOWN: Final = (
    "A search takes a key's id, its first part such as csk_live_7Kq2mX9aB4cD, a decision's id, an"
    " address, a subject's reference or a gateway's id. This is none of them, and was left out."
)
TOO_LONG: Final = (
    "This took too long and was stopped. Choose less time, or a key, an address or a subject."
)


@dataclass
class Asked(Listing):
    """The log as it is asked for. Inside a scope that sees it."""

    searched: str = "Key, address, subject or id"
    dates: bool = True
    own: Tenant | None = None
    """On a tenant's own pages that tenant: there is no other to choose."""
    tenant: Tenant | None = None
    gateways: dict[str, str] = field(default_factory=dict)
    """Names by id, for those to choose from."""
    moment: dt.datetime = field(default_factory=now)
    older_than: str = ""
    newer_than: str = ""
    """The places that the next pages begin behind; empty where the log ends."""
    counted: bool = True
    """Whether there was time to count."""

    def __post_init__(self) -> None:
        tenants, self.tenant = tenant_choice(self.query, self.own)
        gateway = self.query.get("gateway", "")
        self.filters = [PERIOD, OUTCOME, CODE, *tenants, self._gateways(gateway)]
        super().__post_init__()
        self.exact = {name: self._exact(name) for name in EXACT if name != "gateway"}
        self._understand()
        self.begin, self.end = self._bounds()
        self.place = self._place()

    def _gateways(self, asked: str) -> Filter:
        """The gateways to choose from, and the one that is asked for, whichever that is."""
        choices = [("", "Any gateway"), *self.gateways.items()]
        if asked and asked not in self.gateways and TEXT.fullmatch(asked):
            choices.append((asked, asked))
        return Filter("gateway", "Gateway", choices)

    def _exact(self, name: str) -> str:
        value = self.query.get(name, "").strip()
        if value and not TEXT.fullmatch(value):
            self.faults.append(f"This is no {name}. It was left out.")
            return ""
        return self._address(value) if name == "address" and value else value

    def _address(self, text: str) -> str:
        try:
            return address(text).text
        except ValueError:
            self.faults.append("This is not an IP address. It was left out.")
            return ""

    def _understand(self) -> None:
        """Take what was searched for as the filter that its shape says it is."""
        text, self.q = self.q, ""
        if not text:
            return
        head = re.match(rf"{configuration.KEY_BRAND()}_(?:live|test)_([0-9A-Za-z]{{12}})", text)
        text = head[1] if head else text
        for name, shape in SHAPES:
            if shape.fullmatch(text):
                (self.chosen if name == "gateway" else self.exact)[name] = text
                if name == "gateway":
                    self.filters = [*self.filters[:-1], self._gateways(text)]
                self.query = self._with(name, text)
                return
        try:
            self.exact["address"] = address(text).text
            self.query = self._with("address", text)
        except ValueError:
            self.faults.append(UNKNOWN)

    def _with(self, name: str, text: str) -> QueryDict:
        query = self.query.copy()
        query.pop("q", None)
        query[name] = text
        return query

    def _bounds(self) -> tuple[dt.datetime, dt.datetime]:
        """The time asked for, as [begin, end)."""
        if not (self.since or self.until):
            return self.moment - PERIODS[self.chosen["period"]], self.moment
        last = min(self.until or self.moment.date(), dt.date.max - DAY)
        first = self.since or last - min((LONGEST - 1) * DAY, last - dt.date.min)
        if first > last:
            self.faults.append("The time ends before it begins. These are the last 24 hours.")
        elif (last - first).days >= LONGEST:
            self.faults.append("At most 31 days are shown at once. These are the last 24 hours.")
        else:
            self.chosen["period"] = ""
            midnight = dt.datetime.combine(first, dt.time(), UTC)
            return midnight, dt.datetime.combine(last + DAY, dt.time(), UTC)
        self.since = self.until = None
        return self.moment - DAY, self.moment

    def _place(self) -> tuple[str, dt.datetime, str] | None:
        for name in PLACES:
            if text := self.query.get(name, ""):
                if found := PLACE.fullmatch(text):
                    return name, EPOCH + int(found[1]) * MICROSECOND, found[2]
                self.faults.append("There is no such place in the log. These are the newest.")
        return None

    def address(self, **changes: str | int | None) -> str:
        """As a list's; with another filter it begins at the newest again."""
        held = {n: v for n, v in self.query.items() if n not in (*PLACES, *UNKEPT) and v}
        told = {**held, **{n: str(v) for n, v in changes.items()}}
        return f"?{urlencode({n: v for n, v in told.items() if changes.get(n, v) is not None})}"

    def chips(self) -> list[Chip]:
        """The filters that are set, also those without a field."""
        words = {"kid": "secret", "subject": "subject"}
        exact = [(name, value) for name, value in self.exact.items() if value]
        return [
            *super().chips(),
            *(Chip(f"{words.get(n, n)}: {v}", self.address(**{n: None})) for n, v in exact),
        ]

    def wanted(self) -> QuerySet[Decision]:
        """All that the filters leave, in no order."""
        rows = Decision.objects.filter(at__gte=self.begin, at__lt=self.end)
        if self.exact["kid"]:
            # The index is of keys: a secret is looked for among its key's decisions.
            keys = Secret.objects.filter(kid=self.exact["kid"]).values("key_id")
            rows = rows.filter(key_id=Subquery(keys), kid=self.exact["kid"])
        chosen = {
            "key_id": self.exact["key"], "address": self.exact["address"],
            "subject_ref": self.exact["subject"], "code": self.chosen["code"],
            "gateway_id": self.chosen["gateway"], "tenant_id": self.tenant and self.tenant.id,
        }  # fmt: skip
        rows = rows.filter(**{name: value for name, value in chosen.items() if value})
        if self.chosen["outcome"]:
            allowed = Q(code=Code.OK.name)
            rows = rows.filter(allowed if self.chosen["outcome"] == "allowed" else ~allowed)
        return rows

    def read(self) -> "Asked":
        """Fill in one page, and the total as far as there is time to count it."""
        forward = self.place is not None and self.place[0] == "newer"
        order = ("at", "id") if forward else ("-at", "-id")
        rows = behind(self.wanted(), self.place).order_by(*order)
        with Patience() as patience:
            page = patience.take(ROWS, lambda: list(rows[: self.size + 1]))
            more = page is not None and len(page) > self.size
            if page is not None and (self.place or more):
                count = patience.take(COUNT, lambda: self.wanted()[: COUNTED + 1].count())
                self.counted, self.total = count is not None, count or len(page)
        if page is None:
            self.faults.append(TOO_LONG)
        self.rows = list(page or [])[: self.size][:: -1 if forward else 1]
        if self.rows and (more or forward):
            self.older_than = _place_of(self.rows[-1])
        if self.rows and self.place and (more or not forward):
            self.newer_than = _place_of(self.rows[0])
        self.total = self.total or len(self.rows)
        return self

    @property
    def newer(self) -> str:
        return self.address(newer=self.newer_than) if self.newer_than else ""

    @property
    def older(self) -> str:
        return self.address(older=self.older_than) if self.older_than else ""


def behind(
    rows: QuerySet[Decision], place: tuple[str, dt.datetime, str] | None
) -> QuerySet[Decision]:
    """Those of `rows` on the far side of a place."""
    if place is None:
        return rows
    name, at, id = place
    if name == "newer":
        return rows.filter(Q(at__gt=at) | Q(at=at, id__gt=id), at__gte=at)
    return rows.filter(Q(at__lt=at) | Q(at=at, id__lt=id), at__lte=at)


def _place_of(row: Decision) -> str:
    return f"{(row.at - EPOCH) // MICROSECOND}~{row.id}"


class Patience:
    """A stretch of reading that is given up when it takes too long, and harms nothing around it."""

    def __enter__(self) -> "Patience":
        self.block = transaction.atomic()
        self.block.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        # Rolled back whatever happened: the time limit ends with it.
        transaction.set_rollback(True)
        self.block.__exit__(*error)

    def take(self, milliseconds: int, read: Callable[[], T]) -> T | None:
        """What `read` finds in so many milliseconds; None when it was not enough."""
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)]
                )
            return read()
        except DatabaseError as error:
            if getattr(error.__cause__, "sqlstate", "") != "57014":  # query_canceled
                raise
            return None


def gateway_names() -> dict[str, str]:
    """The gateways to choose from, by id."""
    return dict(Gateway.objects.order_by("name", "id").values_list("id", "name")[:50])
