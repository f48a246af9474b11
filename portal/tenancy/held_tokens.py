"""Whose token a text is, for every kind whose digest PostgreSQL keeps: after the same work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from django.db import connection

from portal.core import tokens


class Held(Protocol):
    """What is kept of a token."""

    @property
    def digest(self) -> bytes:
        """HMAC of its text."""

    @property
    def pepper_id(self) -> int:
        """Under which pepper."""


H = TypeVar("H", bound=Held)


@dataclass(frozen=True)
class Kind(Generic[H]):
    """A brand of token, and how it is read and kept anew."""

    brand: str
    row: Callable[..., H]
    lookup: str
    """Selects the row's columns by the public id in the text."""
    upgrade: str
    """The function that keeps a digest under another pepper."""

    def proved(self, text: str) -> H | None:
        """The token that `text` is, alive or not; None when no such secret was ever issued."""
        shape = tokens.parse(text)
        if shape is None or shape.brand != self.brand:
            return None
        found = _one(self.lookup, shape.kid)
        held = self.row(*found) if found else None
        digest = bytes(held.digest) if held else tokens.NOBODY
        good = tokens.verify(text, digest, held.pepper_id if held else tokens.newest_pepper())
        if held is None or not good:
            return None
        newest = tokens.newest_pepper()
        if held.pepper_id != newest:
            # Under the newest, so that an old one can leave the ring.
            upgrade = f"SELECT {self.upgrade}(%s, %s::smallint, %s, %s::smallint)"
            _one(upgrade, shape.kid, held.pepper_id, tokens.digest(text, newest), newest)
        return held


def _one(statement: str, *parameters: Any) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row
