"""What the ledger's address asks for: filters that an index carries, and a place to go on from."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from django.db.models import QuerySet

from audit.ledger.events import BY_TYPE
from audit.ledger.models import Entry
from audit.ledger.reading import beyond, entries, of_anything
from audit.ledger.values import IDENTIFIER
from portal.core.clock import UTC
from portal.tenancy.models import Person, Tenant
from portal.tenancy.pages.lists import COUNTED, UNKEPT, Chip, Filter, Listing
from portal.tenancy.pages.pasted import PASTED

EXACT: Final = ("actor", "target", "request")
"""Filters that pages link to: an id, exactly."""
PLACES: Final = ("before", "after")
"""The id of the entry that the page begins behind; entries are read by time, never by number."""
PLATFORM: Final = "platform"
NOBODY: Final = "nobody"

TYPE: Final = Filter("type", "Event", [("", "Any event"), *((t, t) for t in sorted(BY_TYPE))])
OF_NO_TENANT: Final = frozenset({
    "person", "setup_link", "password", "second_factor", "recovery_codes", "recovery_code",
    "sessions", "login", "mail", "gateway", "drain",
})  # fmt: skip
"""Nouns of events that are recorded with no tenant: the platform's alone to look for."""
OF_A_TENANT_TOO: Final = frozenset({"login.through_provider"})
"""Of these nouns the events that a tenant's own provider makes a tenant's."""


def of_a_tenant(type: str) -> bool:
    """Whether events of this type are ever recorded in a tenant."""
    return type.partition(".")[0] not in OF_NO_TENANT or type in OF_A_TENANT_TOO


OWN_TYPE: Final = Filter("type", "Event", [each for each in TYPE.choices if of_a_tenant(each[0])])
OUTCOME: Final = Filter(
    "outcome",
    "Outcome",
    [("", "Any outcome"), ("success", "Done"), ("denied", "Refused"), ("error", "Failed")],
)


def tenant_names() -> dict[str, str]:
    """Every tenant's name by id that the scope shows: in a tenant's, its own."""
    return dict(Tenant.objects.order_by("name", "id").values_list("id", "name"))


def midnight(day: dt.date | None, plus: int = 0) -> dt.datetime | None:
    """The beginning of a day in UTC, `plus` days later; None for none, or where time ends."""
    try:
        return (
            None
            if day is None
            else dt.datetime.combine(day + dt.timedelta(days=plus), dt.time(), UTC)
        )
    except OverflowError:
        return None


@dataclass
class Asked(Listing):
    """The ledger's list: by time alone."""

    searched: str = "Id or email, request id"
    dates: bool = True
    names: dict[str, str] = field(default_factory=dict)
    """Tenants' names by id."""
    own: bool = False
    """Whether it is one tenant's own slice: there is no tenant to choose, and nothing of none."""
    older_than: str = ""
    newer_than: str = ""
    """The ids that the next pages begin behind; empty where the list ends."""

    def __post_init__(self) -> None:
        choices = [("", "Any tenant"), (PLATFORM, "Platform"), *self.names.items()]
        every = [TYPE, Filter("tenant", "Tenant", choices), OUTCOME]
        self.filters = [OWN_TYPE, OUTCOME] if self.own else every
        super().__post_init__()
        self.exact = {name: self._identifier(name) for name in EXACT}

    def _identifier(self, name: str) -> str:
        value = self.query.get(name, "")
        if value and not IDENTIFIER.fullmatch(value):
            self.faults.append(f"This is not the id of any {name}. It was left out.")
            return ""
        return value

    def address(self, **changes: str | int | None) -> str:
        """As a list's; with another filter it begins at the newest again."""
        held = {n: v for n, v in self.query.items() if n not in (*PLACES, *UNKEPT) and v}
        told = {**held, **{n: str(v) for n, v in changes.items()}}
        return f"?{urlencode({n: v for n, v in told.items() if changes.get(n, v) is not None})}"

    def chips(self) -> list[Chip]:
        """The filters that are set, also those without a field."""
        exact = [(name, value) for name, value in self.exact.items() if value]
        days = [name for name, day in self.days() if day and name not in self.query]
        return [
            *(chip for chip in super().chips() if chip.words.partition(" ")[0] not in days),
            *(Chip(f"{n} {v}", self.address(**{n: None})) for n, v in exact),
        ]

    @property
    def here(self) -> str:
        """This page's own query, to come back to."""
        kept = self.query.copy()
        kept.pop(PASTED, None)
        return f"?{kept.urlencode()}" if kept else ""

    @property
    def newer(self) -> str:
        return self.address(after=self.newer_than) if self.newer_than else ""

    @property
    def older(self) -> str:
        return self.address(before=self.older_than) if self.older_than else ""

    def rows_asked(self) -> QuerySet[Entry]:
        """All entries that the filters leave, the newest first. Inside the scope."""
        tenant = self.of
        found = entries(
            tenant=None if tenant == PLATFORM else tenant or None,
            type=self.chosen["type"] or None, outcome=self.chosen["outcome"] or None,
            actor=self.exact["actor"] or None, target=self.exact["target"] or None,
            request_id=self.exact["request"] or None,
            since=midnight(self.since), until=midnight(self.until, plus=1),
        )  # fmt: skip
        if tenant == PLATFORM:
            found = found.filter(tenant_id__isnull=True)
        if self.q:
            found = found.filter(of_anything(self._meant()))
        return found

    @property
    def of(self) -> str:
        """The tenant whose entries are asked for; PLATFORM for those of none, empty for all."""
        return next(iter(self.names), NOBODY) if self.own else self.chosen["tenant"]

    def _meant(self) -> str:
        if "@" not in self.q:
            return self.q
        people = Person.objects.filter(email=self.q.lower())
        return people.values_list("id", flat=True).first() or NOBODY

    def read(self, from_: Entry | None = None) -> "Asked":
        """Fill in one page: behind the place in the address, else `from_` on, else the newest."""
        found = self.rows_asked()
        place, forward = self._place()
        if place is None and from_ is not None and not self.query:
            page = list(found.filter(occurred_at__lte=from_.occurred_at)[: self.size + 1])
            self._fill(page, below=True)
        elif place is None:
            self._fill(list(found[: self.size + 1]), below=False)
        elif forward:
            page = list(beyond(found, place, newer=True)[: self.size + 1])
            self.rows = page[: self.size][::-1]
            self.newer_than = self.rows[0].id if len(page) > self.size else ""
            self.older_than = self.rows[-1].id if self.rows else ""
        else:
            self._fill(list(beyond(found, place)[: self.size + 1]), below=True)
        self.total = found.order_by()[: COUNTED + 1].count()
        return self

    def _fill(self, page: list[Entry], *, below: bool) -> None:
        self.rows = page[: self.size]
        self.older_than = self.rows[-1].id if len(page) > self.size else ""
        self.newer_than = self.rows[0].id if below and self.rows else ""

    def _place(self) -> tuple[tuple[dt.datetime, str] | None, bool]:
        for name in PLACES:
            if id := self.query.get(name):
                held = Entry.objects.filter(pk=id[:64].replace("\0", ""))
                place = held.values_list("occurred_at", "id").first()
                if place is None:
                    self.faults.append(
                        "There is no such place in the ledger. These are the newest."
                    )
                return place, name == "after"
        return None, False
