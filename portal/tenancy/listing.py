"""Query strings of lists: filters that are refused when unknown, and signed cursors."""

import datetime as dt
import re
from collections.abc import Collection
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.http import QueryDict

from portal.core.refusals import Refusal

PAGE: Final = 50
LARGEST_PAGE: Final = 200
LONGEST_VALUE: Final = 256
LONGEST_CURSOR: Final = 512

M = TypeVar("M", bound=Model)


def refuse_parameter(name: str, detail: str) -> NoReturn:
    """Refuse the request for this query parameter; the pointer is `?name`."""
    raise Refusal("REQUEST_INVALID", errors=[{"detail": detail, "pointer": f"?{name}"}])


def parameters(query: QueryDict, known: Collection[str]) -> dict[str, str]:
    """The query's parameters; refuses unknown, repeated, overlong ones and what no column holds."""
    found: dict[str, str] = {}
    for name, values in query.lists():
        if name not in known:
            refuse_parameter(name, "There is no such parameter here.")
        if len(values) != 1:
            refuse_parameter(name, "This parameter stands more than once.")
        longest = LONGEST_CURSOR if name == "cursor" else LONGEST_VALUE
        if len(values[0]) > longest:
            refuse_parameter(name, f"At most {longest} characters are taken.")
        if "\0" in values[0]:
            refuse_parameter(name, "NUL is not taken in any text.")
        found[name] = values[0]
    return found


def choice(given: dict[str, str], name: str, values: Collection[str]) -> str | None:
    """One of `values`, or None when the parameter is not given."""
    value = given.get(name)
    if value is not None and value not in values:
        refuse_parameter(name, f"One of {', '.join(values)} is taken.")
    return value


def moment(given: dict[str, str], name: str) -> dt.datetime | None:
    """A date-time with its offset (RFC 3339), or None when the parameter is not given."""
    text = given.get(name)
    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text.replace(" ", "+"))  # `+` is a space in a query
        if found.tzinfo is not None and "T" in text and text.isascii():
            return found.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    refuse_parameter(name, "A date-time with its offset is taken, such as 2026-11-23T00:00:00Z.")


def page_size(given: dict[str, str]) -> int:
    """How many results a page has: `limit`, 1 to 200."""
    text = given.get("limit", str(PAGE))
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= LARGEST_PAGE:
        refuse_parameter("limit", f"A whole number from 1 to {LARGEST_PAGE} is taken.")
    return int(text)


class Place(NamedTuple):
    """The last row of a page: where the next one goes on."""

    created_at: dt.datetime
    id: str


class Cursors:
    """Cursors of one list of one tenant, signed: no other list or tenant takes them."""

    def __init__(self, tenant_id: str, listed: str) -> None:
        self.salt = f"portal.tenancy.listing:{tenant_id}:{listed}"

    def write(self, place: Place) -> str:
        """The cursor after `place`."""
        return signing.dumps([place.created_at.isoformat(), place.id], salt=self.salt)

    def read(self, given: dict[str, str]) -> Place | None:
        """The place that `cursor` names; refuses one that is not ours or of another list."""
        text = given.get("cursor")
        if text is None:
            return None
        try:
            created_at, id = signing.loads(text, salt=self.salt)
            return Place(dt.datetime.fromisoformat(created_at), id)
        except (signing.BadSignature, ValueError, TypeError):
            refuse_parameter("cursor", "This is not a cursor of this list.")


def page(rows: QuerySet[M], given: dict[str, str], cursors: Cursors) -> tuple[list[M], str | None]:
    """One page, the newest first, and the cursor of the next one; None on the last page."""
    size, place = page_size(given), cursors.read(given)
    if place is not None:
        older = Q(created_at__lt=place.created_at)
        rows = rows.filter(older | Q(created_at=place.created_at, id__lt=place.id))
    found: list[Any] = list(rows.order_by("-created_at", "-id")[: size + 1])
    if len(found) <= size:
        return found, None
    last = found[size - 1]
    return found[:size], cursors.write(Place(last.created_at, last.id))
