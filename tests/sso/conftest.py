"""Acme signs in through a provider on loopback, which only tests may reach."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.core.ids import base62
from portal.tenancy.models import IdentityProvider, Membership, Person
from portal.tenancy.scope import platform_scope
from portal.tenancy.sso.configuring import Definition, create_provider, turn_provider_on
from portal.tenancy.sso.domains import claim_domain, record_name, record_text, verify_domain
from portal.tenancy.sso.provider import of_row
from tests.cast import Cast
from tests.pages.app import Visitor
from tests.pages.browser import Browser, Page
from tests.sso.nameserver import NameServer
from tests.sso.provider import CLIENT, SECRET, Idp, Server


@pytest.fixture(scope="session")
def providers() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def nameserver() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def reach(monkeypatch: pytest.MonkeyPatch, nameserver: NameServer) -> None:
    """The operator lets tenants' providers stand on loopback, and names who is asked for DNS."""
    monkeypatch.setenv("OIDC_PRIVATE_NETWORKS", "127.0.0.0/8")
    monkeypatch.setenv("DNS_SERVERS", nameserver.address)


@pytest.fixture
def idp(providers: Server) -> Idp:
    """A provider that is right about everything."""
    return Idp(providers)


def definition(idp: Idp, **changes: Any) -> Definition:
    told: dict[str, Any] = {
        "name": "Acme’s provider", "issuer": idp.issuer, "client_id": CLIENT, "secret": SECRET,
        "default_role": "developer", "mfa_amr": ("mfa",),
    }  # fmt: skip
    return Definition(**{**told, **changes})


@dataclass
class Acme:
    """A tenant whose people come through a provider, and that provider."""

    cast: Cast
    idp: Idp
    row: IdentityProvider
    domain: str

    @property
    def door(self) -> str:
        return f"/sso/at/{self.cast.tenant.slug}/"

    def go(self, visitor: Any, **fields: str) -> str:
        """Begin, in this browser: the provider's address."""
        page = (
            visitor.post(self.door, fields)
            if isinstance(visitor, Visitor)
            else visitor.post(self.door, **fields)
        )
        return address_in(page)

    def sign_in(self, visitor: Visitor) -> Page:
        """There and back."""
        return visitor.get(self.idp.approve(self.go(visitor)))

    def someone(self, **claims: Any) -> "Acme":
        """The next who signs in: of Acme's own domain, with the provider's second factor."""
        email = f"{base62(8).lower()}@{self.domain}"
        self.idp.bend = {"email": email, "email_verified": True, "amr": ["pwd", "mfa"], **claims}
        return self

    def person(self) -> Person | None:
        """Who is tied to the one that signs in next."""
        with platform_scope("a test looks for someone"):
            rows = Person.objects.filter(
                externalidentity__issuer=self.idp.issuer,
                externalidentity__subject=self.idp.subject,
            )
            return rows.first()

    def member(self) -> Membership | None:
        """And what they are in Acme."""
        with platform_scope("a test looks for a member"):
            rows = Membership.objects.filter(tenant=self.cast.tenant, person=self.person())
            return rows.first()


def address_in(page: Page) -> str:
    """Where the page that goes on leads."""
    assert page.status == 200, (page.status, page.text)
    waits, address = page.headers["refresh"].split("; url=", 1)
    assert waits == "0"
    return address


def set_up(cast: Cast, idp: Idp, nameserver: NameServer, **changes: Any) -> Acme:
    """By the owner's own verbs, with a domain that its DNS says is theirs."""
    who: dict[str, Any] = {"actor": cast.owner, "tenant_id": cast.tenant.id}
    row = create_provider(**who, definition=definition(idp, **changes))
    domain = f"{base62(10).lower()}.example"
    claimed = claim_domain(**who, provider_id=row.id, domain=domain)
    nameserver.records[record_name(claimed)] = ["v=spf1 -all", record_text(claimed)]
    verify_domain(**who, domain_id=claimed.id)
    turn_provider_on(**who, provider=of_row(row, cast.tenant), reason="all is set up")
    return Acme(cast, idp, row, domain).someone()


@pytest.fixture
def on(acme: Cast, idp: Idp, nameserver: NameServer) -> Acme:
    """Acme, with single sign-on turned on."""
    return set_up(acme, idp, nameserver)


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


def browser_of(cast: Cast, role: str) -> Browser:
    """A member's browser, signed in with a password and a code."""
    with platform_scope("a test signs someone in"):
        return Browser(Person.objects.get(id=getattr(cast, role).id))


@pytest.fixture
def queries() -> Callable[[], object]:
    """`with queries() as told:` counts the queries of what is done inside."""
    return lambda: CaptureQueriesContext(connection)
