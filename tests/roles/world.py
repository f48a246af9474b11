"""Who walks, and what they walk over: a tenant with everything in it, and its stranger's."""

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import uuid4

import psycopg
from django.test import Client

from audit.ledger.models import Entry
from keys.models import Limit
from keys.suspension import suspend_key
from portal.core.ids import base62, uuid7
from portal.core.models import Mail
from portal.tenancy.apis import create_api, grant_api
from portal.tenancy.factor_policy import waive_factor
from portal.tenancy.gateways import create_gateway
from portal.tenancy.invitations import invite_member
from portal.tenancy.management_tokens import create_management_token
from portal.tenancy.memberships import disable_membership
from portal.tenancy.models import Api, ExternalIdentity, Membership, Passkey, Person, Tenant
from portal.tenancy.people import create_person, disable_person
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.inviting import invite_person
from portal.tenancy.sso.configuring import Definition, create_provider
from portal.tenancy.sso.deprovisioning import create_deprovisioning_token
from portal.tenancy.sso.domains import claim_domain
from portal.tenancy.tenants import create_tenant, suspend_tenant
from tests.cast import OPERATOR, ROUTES, SCOPES, Cast, make_cast, person
from tests.pages.browser import Browser, session_of, staff

Db = psycopg.Connection[Any]
SHARED = {
    "unit": "requests", "amount": 9, "window": "day", "algorithm": "calendar",
    "shared_by": "tenant",
}  # fmt: skip
PROVIDER = Definition(
    name="Keycloak", issuer="https://login.walked.example", client_id="portal", secret="kept",
    role_claim="groups", role_map=(("boss", "owner"),), mfa_amr=("mfa",), trusts_email=True,
)  # fmt: skip
DECISION = """
INSERT INTO keys_decision (id, tenant_id, at, key_id, kid, gateway_id, code, units, address, method,
    route, model, subject_ref, purpose)
VALUES (%s, %s, now(), %s, 'kid', %s, 'OK', '{}', '203.0.113.9', 'GET', '/v1/models', '', '', '')
"""


def random_like(id: str) -> str:
    """An id of the same kind that nothing has."""
    if "_" not in id:
        return uuid7()
    kind, _, rest = id.partition("_")
    return f"{kind}_{base62(len(rest))}"


class World:
    """A tenant's side of it. Each method named by a kind makes another one, and gives its id."""

    def __init__(self, cast: Cast, db: Db) -> None:
        self.acme, self.db = cast, db
        self.provider = create_provider(
            actor=cast.owner, tenant_id=cast.tenant.id, definition=PROVIDER
        )
        officer, _ = person(cast.tenant, "Pia", "privacy_officer")
        self.members: dict[str, Membership] = cast.memberships
        self.members["privacy_officer"] = officer
        self.numbers: Iterator[int] = count()
        self.held: dict[str, str] = {}

    def next(self) -> str:
        """What was not there before."""
        return f"{base62(6).lower()}{next(self.numbers)}"

    def one(self, kind: str, role: str = "owner") -> str:
        """Another one of this kind; what belongs to somebody, to who has this role."""
        make = getattr(self, kind)
        made: str = make(role) if kind == "own_token" else make()
        return made

    def a(self, kind: str, role: str = "owner") -> str:
        """One that is there: the same each time, never changed by a form that is sent."""
        which = f"{kind} of {role}" if kind == "own_token" else kind
        if which not in self.held:
            self.held[which] = self.one(kind, role)
        return self.held[which]

    def words(self) -> dict[str, str]:
        """For a row's query."""
        return {
            "tenant": self.acme.tenant.slug, "api": self.acme.api.slug, "api_id": self.acme.api.id,
        }  # fmt: skip

    def tenant(self) -> str:
        return self.acme.tenant.slug

    def tenant_id(self) -> str:
        return self.acme.tenant.id

    def _new_tenant(self) -> Tenant:
        return create_tenant(actor=OPERATOR, slug=f"quiet-{self.next()}", name="Quiet")

    def quiet_tenant(self) -> str:
        return self._new_tenant().slug

    def waived_tenant(self) -> str:
        tenant = self._new_tenant()
        waive_factor(actor=OPERATOR, tenant_id=tenant.id, reason="tests")
        return tenant.slug

    def suspended_tenant(self) -> str:
        tenant = self._new_tenant()
        suspend_tenant(actor=OPERATOR, tenant_id=tenant.id, reason="tests")
        return tenant.slug

    def key(self) -> str:
        return self.acme.issue(name="walked", api=self.acme.api.slug).key.id

    def suspended_key(self) -> str:
        id = self.key()
        suspend_key(actor=self.acme.owner, key_id=id, reason="tests")
        return id

    def limit(self) -> str:
        limit = {**SHARED, "name": f"pool-{self.next()}"}
        self.acme.issue(limits=[limit], api=self.acme.api.slug)
        with platform_scope("a test looks a limit up"):
            return Limit.objects.get(tenant=self.acme.tenant, name=limit["name"]).id

    def decision(self) -> str:
        id = uuid7()
        values = [id, self.acme.tenant.id, self.a("key"), self.acme.gateway.id]
        self.db.execute(DECISION, values)
        return id

    def entry(self) -> str:
        with platform_scope("a test looks an entry up"):
            rows = Entry.objects.filter(tenant_id=self.acme.tenant.id)
            return str(rows.earliest("occurred_at", "id").id)

    def member(self) -> str:
        return person(self.acme.tenant, "Kim", "developer")[0].id

    def left_member(self) -> str:
        id = self.member()
        disable_membership(
            actor=OPERATOR, tenant_id=self.acme.tenant.id, membership_id=id, reason="tests"
        )
        return id

    def somebody(self) -> Person:
        email = f"{self.next()}@walked.example"
        return create_person(actor=OPERATOR, email=email, name="Somebody")

    def passkey(self) -> str:
        with platform_scope("a test gives somebody a passkey"):
            made = Passkey.objects.create(
                user=self.somebody(), name="walked", credential_id=base62(32).encode(),
                public_key=b"",
            )  # fmt: skip
        return str(made.id)

    def person(self) -> str:
        return self.somebody().id

    def person_signed_in(self) -> str:
        person = self.somebody()
        session_of(person)
        return person.id

    def disabled_person(self) -> str:
        id = self.person()
        disable_person(actor=OPERATOR, person_id=id, reason="tests")
        return id

    def mail(self) -> str:
        id = self.person()
        invite_person(actor=OPERATOR, person_id=id)
        with platform_scope("a test looks a mail up"):
            return str(Mail.objects.get(about=id).id)

    def invitation(self) -> str:
        return invite_member(
            actor=OPERATOR, tenant_id=self.acme.tenant.id, role="viewer",
            email=f"{self.next()}@invited.example",
        ).id  # fmt: skip

    def no_session(self) -> str:
        return str(uuid4())

    def no_job(self) -> str:
        return f"job_{base62(12)}"

    def dead_link(self) -> str:
        return f"once-{base62(43)}"

    def _new_api(self) -> Api:
        return create_api(
            actor=OPERATOR, slug=f"walked-{self.next()}", name="Walked", scopes=SCOPES,
            routes=ROUTES,
        )  # fmt: skip

    def api(self) -> str:
        return self._new_api().id

    def granted_api(self) -> str:
        id = self.api()
        grant_api(actor=OPERATOR, tenant_id=self.acme.tenant.id, api_id=id)
        return id

    def gateway(self) -> str:
        return create_gateway(
            actor=OPERATOR, name="walked", api_id=self.acme.api.id,
            tenant_ids=[self.acme.tenant.id], environments=["live"],
        ).gateway.id  # fmt: skip

    def guide_file(self) -> str:
        return "check.sh"

    def token(self) -> str:
        return self.own_token("developer")

    def own_token(self, role: str) -> str:
        mine = self.members.get(role, self.members["owner"])
        return create_management_token(
            actor=OPERATOR, tenant_id=self.acme.tenant.id, creator_id=mine.id, name="walked",
            scopes=["keys:read"],
        ).token.id  # fmt: skip

    def _provider(self) -> dict[str, Any]:
        return {
            "actor": self.acme.owner, "tenant_id": self.acme.tenant.id,
            "provider_id": self.provider.id,
        }  # fmt: skip

    def domain(self) -> str:
        return claim_domain(**self._provider(), domain=f"{self.next()}.example").id

    def directory_token(self) -> str:
        return create_deprovisioning_token(**self._provider(), name="walked").token.id

    def tied_person(self) -> str:
        """The `identity` that is asked for next is theirs."""
        self.tied = self.person()
        return self.tied

    def identity(self) -> str:
        with platform_scope("a test ties someone"):
            return ExternalIdentity.objects.create(
                person_id=self.tied, issuer=self.provider.issuer, subject=self.next()
            ).id

    def browser(self, role: str) -> Browser:
        """Somebody of this role, in this tenant or on the platform."""
        if role in ("security_admin", "auditor"):
            return Browser(staff("Sol" if role == "security_admin" else "Ira", role))
        with platform_scope("a test signs someone in"):
            return Browser(Person.objects.get(id=self.members[role].person_id))


class Nobody(Browser):
    """A browser in which nobody is signed in."""

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False)


def make_world(db: Db) -> tuple[World, World]:
    """Acme's, and Globex's."""
    acme = make_cast("acme", owner="Ada")
    globex = make_cast("globex", owner="Cy", developer="Dan", viewer="Eve")
    for cast in (acme, globex):
        waive_factor(actor=OPERATOR, tenant_id=cast.tenant.id, reason="an owner asks for it again")
    return World(acme, db), World(globex, db)
