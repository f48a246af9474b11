"""Django's sessions, kept under a digest of the cookie's value.

Who reads the table, or a backup of it, can sign in as nobody. Django's own store keeps the value
itself. SESSION_ENGINE names this module.
"""

import datetime as dt
import hashlib
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.db import connection


def digest_of(session_key: str) -> str:
    """What the row is found by. The value has 160 random bits: it needs no salt and no pepper."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def _ask(statement: str, *parameters: Any) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: tuple[Any, ...] | None = cursor.fetchone()
        return found


class SessionStore(SessionBase):
    """A session in PostgreSQL. It works outside every scope: nobody is known yet."""

    def load(self) -> dict[str, Any]:
        """What the session holds; {} and a new key when there is none or it has ended."""
        row = self.session_key and _ask(
            "SELECT data FROM tenancy_session_read(%s)", digest_of(self.session_key)
        )
        if not row:
            self._session_key = None
            return {}
        held: dict[str, Any] = self.decode(row[0])
        return held

    def exists(self, session_key: str) -> bool:
        """Whether the key is taken. A new one of 160 bits is not."""
        return _ask("SELECT 1 FROM tenancy_session_read(%s)", digest_of(session_key)) is not None

    def create(self) -> None:
        """Take a new key and write the row."""
        self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Write the session; raises UpdateError when it was ended meanwhile."""
        if self.session_key is None:
            return self.create()
        held = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        written = _ask(
            "SELECT tenancy_session_write(%s, %s, %s, %s, %s)",
            digest_of(self.session_key),
            self.encode(held),
            held.get(SESSION_KEY),
            dt.timedelta(seconds=self.get_expiry_age()),
            must_create,
        )
        assert written is not None
        if not written[0]:
            raise CreateError if must_create else UpdateError
        return None

    def delete(self, session_key: str | None = None) -> None:
        """End the session."""
        ended = session_key or self.session_key
        if ended is not None:
            _ask("SELECT tenancy_session_end(%s)", digest_of(ended))

    @classmethod
    def clear_expired(cls) -> None:
        """Rows past their end are dropped by portal.tenancy.tasks."""
