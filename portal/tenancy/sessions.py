"""Django's sessions, kept under a digest of the cookie's value.

Who reads the table, or a backup of it, can sign in as nobody. Django's own store keeps the value
itself. SESSION_ENGINE names this module. A session ends for good at the moment that was set when it
began, and before that when nobody used it for a while; PostgreSQL's clock says so.
"""

import datetime as dt
import hashlib
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import (
    VALID_KEY_CHARS,
    CreateError,
    SessionBase,
    UpdateError,
)
from django.db import connection
from django.utils.crypto import get_random_string

from portal.core import configuration


def digest_of(session_key: str) -> str:
    """What the row is found by. The value has 160 random bits: it needs no salt and no pepper."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def idle_limit() -> dt.timedelta:
    """How long a session may go unused."""
    return dt.timedelta(minutes=configuration.SESSION_IDLE_MINUTES())


def _ask(statement: str, *parameters: Any) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: tuple[Any, ...] | None = cursor.fetchone()
        return found


class SessionStore(SessionBase):
    """A session in PostgreSQL. It works outside every scope: nobody is known yet."""

    proved: float | None = None
    """Of a session that begins: how many seconds ago its person proved a factor; None: none."""
    browser = network = ""
    """Of a session that begins: where it is, as its person will recognise it."""
    _proved_ago: float | None = None

    @property
    def proved_ago(self) -> float | None:
        """Seconds since its person last proved a factor, as this request found it; None: never."""
        self._get_session()  # type: ignore[attr-defined]  # loads it
        return self._proved_ago

    def load(self) -> dict[str, Any]:
        """What the session holds; {} and a new key when there is none or it has ended."""
        row = self.session_key and _ask(
            "SELECT data, proved_ago FROM tenancy_session_open(%s, %s)",
            digest_of(self.session_key),
            idle_limit(),
        )
        if not row:
            self._session_key = None
            return {}
        held: dict[str, Any] = self.decode(row[0])
        self._proved_ago = row[1]
        return held

    def exists(self, session_key: str) -> bool:
        """Whether the key is taken. A new one of 160 bits is not."""
        return False

    def create(self) -> None:
        """Take a new key and write the row."""
        self._session_key = get_random_string(32, VALID_KEY_CHARS)
        self.save(must_create=True)
        self.modified = True

    def cycle_key(self) -> None:
        """Go on under a new key: what began, is proved and ends stays so, the old key is dead."""
        self._get_session()  # type: ignore[attr-defined]  # loads it
        old = self.session_key
        if old is None:
            return self.create()
        self._session_key = get_random_string(32, VALID_KEY_CHARS)
        assert self.session_key is not None
        # One that was ended meanwhile has no row to go on: saving it tells.
        _ask("SELECT tenancy_session_rekey(%s, %s)", digest_of(old), digest_of(self.session_key))
        self.modified = True
        return None

    def save(self, must_create: bool = False) -> None:
        """Write the session; raises UpdateError when it was ended meanwhile."""
        if self.session_key is None:
            return self.create()
        held = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        of = digest_of(self.session_key), self.encode(held), held.get(SESSION_KEY)
        if must_create:
            lasts = dt.timedelta(seconds=self.get_expiry_age())
            about = lasts, self.proved, self.browser, self.network
            written = _ask("SELECT tenancy_session_begin(%s, %s, %s, %s, %s, %s, %s)", *of, *about)
        else:
            written = _ask("SELECT tenancy_session_keep(%s, %s, %s)", *of)
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
