"""A signed-in person's browser, as far as it needs no script: pages, their forms, their words."""

import datetime as dt
import html
import re
from html.parser import HTMLParser
from typing import Any, Final

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db.models.functions import Now
from django.test import Client

from portal.core.ids import base62
from portal.tenancy.models import Person, Session
from portal.tenancy.people import create_person
from portal.tenancy.scope import platform_scope
from portal.tenancy.sessions import SessionStore, digest_of
from portal.tenancy.signing_in.middleware import FACTORS
from tests.cast import OPERATOR, Cast

BACKEND = "portal.tenancy.signing_in.backend.People"


def staff(name: str, role: str) -> Person:
    """Someone with a platform role."""
    email = f"{name.split()[0]}-{base62(8)}@example.com".lower()
    return create_person(actor=OPERATOR, email=email, name=name, platform_role=role)


def member(cast: Cast, role: str) -> "Browser":
    """The browser of who has this role in a tenant's cast."""
    with platform_scope("a test signs someone in"):
        return Browser(Person.objects.get(id=cast.memberships[role].person_id))


LONG: Final = -24 * 3600
"""Of a session's proof: fresh however long a test takes."""


def session_of(
    person: Person, factors: tuple[str, ...] = ("pwd", "otp"), proved_ago: float = LONG
) -> str:
    """The cookie of a session that this person signed in to, and proved so many seconds ago."""
    session = SessionStore()
    session.proved, session.browser, session.network = 0, "Firefox on Linux", "127.0.0.0/24"
    session[SESSION_KEY] = person.pk
    session[BACKEND_SESSION_KEY] = BACKEND
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session[FACTORS] = list(factors)
    session.create()
    assert session.session_key
    prove(session.session_key, proved_ago)
    return session.session_key


def prove(session_key: str, ago: float) -> None:
    """Let the last proof in a session be so many seconds old."""
    with platform_scope("a test lets time pass"):
        session = Session.objects.filter(digest=digest_of(session_key))
        session.update(proved_at=Now() - dt.timedelta(seconds=ago))


class Fields(HTMLParser):
    """Collects what each form of a page would send."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[dict[str, str], dict[str, list[str]]]] = []
        self.area: tuple[str, list[str]] | None = None
        self.select = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append((told, {}))
        if not self.forms or ("name" not in told and tag != "option"):
            return
        fields, name = self.forms[-1][1], told.get("name", "")
        if tag == "input" and told.get("type") in ("checkbox", "radio"):
            if any(n == "checked" for n, _ in attributes):
                fields.setdefault(name, []).append(told.get("value", "on"))
        elif tag == "input":
            fields.setdefault(name, []).append(told.get("value", ""))
        elif tag == "textarea":
            self.area = (name, [])
        elif tag == "select":
            self.select = name
        elif tag == "option" and any(n == "selected" for n, _ in attributes):
            fields.setdefault(self.select, []).append(told.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self.area:
            self.area[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self.area:
            name, text = self.area
            self.forms[-1][1].setdefault(name, []).append("".join(text).removeprefix("\n"))
            self.area = None


def _ticked(values: list[str]) -> list[str]:
    """Boxes are sent with an empty value before them, so that none is not the same as not sent."""
    return [value for value in values if value] or values[:1]


class Page:
    """An answer as a person sees it."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.status: int = response.status_code
        streams = getattr(response, "streaming", False)
        body = b"".join(response) if streams else response.content
        self.html: str = body.decode()
        self.headers: dict[str, str] = {k.lower(): v for k, v in response.headers.items()}

    @property
    def text(self) -> str:
        """Its words, without markup."""
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.html)).split())

    @property
    def goes_to(self) -> str:
        """Where it redirects."""
        return self.headers["location"]

    def fields(self, sending_to: str = "") -> dict[str, list[str]]:
        """What the page's own POST form would send; `sending_to` is part of its action."""
        parser = Fields()
        parser.feed(self.html)
        for told, fields in parser.forms:
            ours = told.get("method") == "post" and told.get("id") != "logout-form"
            if ours and sending_to in told.get("action", ""):
                return {name: _ticked(values) for name, values in fields.items()}
        raise AssertionError(f"no form that sends to {sending_to!r}: {self.text[:500]}")


class Browser:
    """One person's browser."""

    def __init__(
        self, person: Person, factors: tuple[str, ...] = ("pwd", "otp"), proved_ago: float = LONG
    ) -> None:
        self.person = person
        self.client = Client(raise_request_exception=False)
        self.client.cookies["countersign"] = session_of(person, factors, proved_ago)

    def get(self, path: str, **parameters: Any) -> Page:
        """Look at a page."""
        return Page(self.client.get(path, parameters))

    def post(self, path: str, **fields: Any) -> Page:
        """Send a form as it is given here."""
        sent = {name: [""] if value == [] else value for name, value in fields.items()}
        return Page(self.client.post(path, sent))

    def send(self, path: str, *, action: str = "", to: str = "", **changes: Any) -> Page:
        """Look at a page, fill in its form and send it, as a person would."""
        page = self.get(path)
        assert page.status == 200, (page.status, page.text[:500])
        return self.post(to or path, **{**page.fields(action), **changes})
