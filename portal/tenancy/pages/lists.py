"""Lists: search, filters, sort, pages with totals, CSV. All of it in the address, none in a script.

Totals are exact to 10 000, then "10,000+"; so far one can turn pages (DESIGN.md, section 8).
"""

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from django.http import HttpResponse, QueryDict

from portal.core.clock import rfc3339
from portal.tenancy.pages.pasted import PASTED

PAGE: Final = 50
COUNTED: Final = 10_000
EXPORTED: Final = 100_000
"""Rows of a CSV at most."""
LONGEST: Final = 256
UNKEPT: Final = ("page", PASTED)
"""What no link to another form of a list takes along."""

Choices = Sequence[tuple[str, str]]


class Filter(NamedTuple):
    """A choice among values. `choices` are (value, words); the first stands for no filter."""

    name: str
    label: str
    choices: Choices


class Column(NamedTuple):
    """A way to sort: its name in the address and what it orders by."""

    name: str
    order: Sequence[str]
    """As in `order_by`, ascending; the last is unique, so that pages never overlap."""


class Chip(NamedTuple):
    """A filter that is set, and the address without it."""

    words: str
    without: str


@dataclass
class Listing:
    """What the address asks of a list, checked: what is unknown is told and left out."""

    query: QueryDict
    filters: Sequence[Filter] = ()
    columns: Sequence[Column] = ()
    searched: str = ""
    """What `q` looks through, for the field's placeholder; empty: no search."""
    dates: bool = False
    """Whether `since` and `until` are taken, as days in UTC, both included."""
    faults: list[str] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    total: int = 0
    page: int = 1
    size: int = PAGE

    def __post_init__(self) -> None:
        self.q = self._text("q") if self.searched else ""
        self.chosen = {each.name: self._choice(each) for each in self.filters}
        self.since, self.until = self._days() if self.dates else (None, None)
        self.sort, self.descending = self._sorted()
        number = self.query.get("page", "1")
        fine = number.isascii() and number.isdecimal() and len(number) <= 9
        self.page = int(number) if fine and 1 <= int(number) <= COUNTED // self.size else 1

    def _text(self, name: str) -> str:
        text = self.query.get(name, "").strip()
        if len(text) > LONGEST or "\0" in text:
            self.faults.append(f"A search is at most {LONGEST} characters, without NUL.")
            return ""
        return text

    def _choice(self, wanted: Filter) -> str:
        value = self.query.get(wanted.name, "")
        if value and value not in dict(wanted.choices):
            self.faults.append(f"{wanted.label}: there is no such choice. It was left out.")
            return ""
        return value

    def _days(self) -> tuple[dt.date | None, dt.date | None]:
        found: list[dt.date | None] = []
        for name in ("since", "until"):
            try:
                text = self.query.get(name, "")
                found.append(dt.date.fromisoformat(text) if text else None)
            except ValueError:
                self.faults.append("A day is written as 2026-11-23. It was left out.")
                found.append(None)
        return found[0], found[1]

    def _sorted(self) -> tuple[Column | None, bool]:
        asked = self.query.get("sort", "")
        names = {column.name: column for column in self.columns}
        if asked and asked.removeprefix("-") in names:
            return names[asked.removeprefix("-")], asked.startswith("-")
        if asked:
            self.faults.append("This list can't be sorted by that. It was left out.")
        return (self.columns[0], False) if self.columns else (None, False)

    @property
    def status(self) -> int:
        """The page's HTTP status."""
        return 400 if self.faults else 200

    def address(self, **changes: str | int | None) -> str:
        """This list's address with other parameters; None takes one away. Page 1 unless given."""
        held = {name: value for name, value in self.query.items() if name not in UNKEPT and value}
        told = {**held, **{n: str(v) for n, v in changes.items() if v is not None}}
        for name, value in changes.items():
            if value is None:
                told.pop(name, None)
        return f"?{urlencode(told)}"

    def chips(self) -> list[Chip]:
        """The filters that are set."""
        set_ = [(each.name, f"{each.label.lower()}: {dict(each.choices)[self.chosen[each.name]]}")
                for each in self.filters if self.chosen[each.name]]  # fmt: skip
        if self.q:
            set_.insert(0, ("q", f"“{self.q}”"))
        set_ += [(n, f"{n} {d:%-d %b %Y}") for n, d in self.days() if d]
        return [Chip(words, self.address(**{name: None})) for name, words in set_]

    def days(self) -> list[tuple[str, dt.date | None]]:
        """`since` and `until` by name."""
        return [("since", self.since), ("until", self.until)]

    def order(self) -> list[str]:
        """For `order_by`."""
        if self.sort is None:
            return []
        if not self.descending:
            return list(self.sort.order)
        return [o[1:] if o.startswith("-") else f"-{o}" for o in self.sort.order]

    def sorts(self) -> dict[str, dict[str, str]]:
        """For each column: `aria-sort`, and the address that sorts by it or turns it around."""
        told = {}
        for column in self.columns:
            here = self.sort is column
            turned = column.name if here and self.descending else f"-{column.name}"
            aria = ("descending" if self.descending else "ascending") if here else ""
            told[column.name] = {"aria": aria, "url": self.address(
                sort=turned if here else column.name)}  # fmt: skip
        return told

    def take(
        self, rows: QuerySet[Any], *, count: Callable[[], int] | None = None, at_once: bool = False
    ) -> "Listing":
        """Fill in one page of `rows`, ordered as asked, and the total as far as it is counted.

        `at_once`: read all that are counted in one go. For small rows that are hard to find.
        """
        if order := self.order():
            rows = rows.order_by(*order)
        begin = (self.page - 1) * self.size
        if at_once:
            counted = list(rows[: COUNTED + 1])
            self.rows, self.total = counted[begin : begin + self.size], len(counted)
            return self
        self.rows = list(rows[begin : begin + self.size + 1])
        if count is not None:
            self.total = count()
        elif self.page == 1 and len(self.rows) <= self.size:
            self.total = len(self.rows)
        else:
            self.total = rows.order_by()[: COUNTED + 1].count()
        self.rows = self.rows[: self.size]
        return self

    @property
    def more(self) -> bool:
        """Whether there are more rows than were counted."""
        return self.total > COUNTED

    @property
    def first(self) -> int:
        """The number of the page's first row; 0 on an empty one."""
        return (self.page - 1) * self.size + 1 if self.rows else 0

    @property
    def last(self) -> int:
        """The number of its last."""
        return (self.page - 1) * self.size + len(self.rows)

    @property
    def newer(self) -> str:
        """The address of the page before; empty on the first."""
        return self.address(page=self.page - 1) if self.page > 1 else ""

    @property
    def older(self) -> str:
        """The address of the page after; empty on the last, and where counting ends."""
        there = self.last < min(self.total, COUNTED)
        return self.address(page=self.page + 1) if there else ""

    @property
    def narrowed(self) -> bool:
        """Whether anything is searched or filtered: an empty list then means "nothing found"."""
        return bool(self.chips())


FORMULA: Final = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
"""What makes a spreadsheet compute a cell, full-width forms too (OWASP, CSV injection)."""

DIALECT: Final[Any] = {"lineterminator": "\r\n", "quoting": csv.QUOTE_ALL}
"""Every cell in quotes: where a semicolon separates, one inside a bare cell would begin another."""


def cell(value: Any) -> str:
    """A value as a CSV cell that no spreadsheet computes."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return rfc3339(value) or ""
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"'{text}" if text.lstrip(" \u00a0\ufeff").startswith(FORMULA) else text


def csv_response(
    name: str, rows: Iterable[Model], columns: Mapping[str, Callable[[Any], Any]]
) -> HttpResponse:
    """`rows` as a file to keep (RFC 4180), at most 100 000 of them: then its name says so."""
    text = io.StringIO()
    writer = csv.writer(text, **DIALECT)
    writer.writerow(columns)
    for place, row in enumerate(rows):
        if place == EXPORTED:
            name += f"-first-{EXPORTED}"
            break
        writer.writerow([cell(read(row)) for read in columns.values()])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
