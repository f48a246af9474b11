"""An authenticator app, as far as tests need one, and who holds it."""

import base64
from dataclasses import dataclass, replace
from typing import Any

from django.test import Client
from django_otp.oath import hotp

from portal.core.clock import now
from portal.tenancy.memberships import add_member
from portal.tenancy.models import Person, Totp
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.factors import Enrolment
from portal.tenancy.signing_in.inviting import invite_person
from portal.tenancy.signing_in.setting_up import Chosen, accept_invitation
from tests.cast import OPERATOR, Cast
from tests.pages.browser import Page, staff

PASSWORD = "correct horse battery staple"


def code_of(seed: bytes | str, steps: int = 0) -> str:
    """What the app shows now, or so many half minutes from now."""
    if isinstance(seed, str):
        seed = base64.b32decode(seed.replace(" ", ""))
    return f"{hotp(seed, int(now().timestamp()) // 30 + steps):06d}"


@dataclass
class Someone:
    """A person who set up their sign-in."""

    person: Person
    enrolment: Enrolment
    password: str = PASSWORD

    def code(self, steps: int = 0) -> str:
        """The code of their app. It works, though the set-up used up this very minute."""
        with platform_scope("a test lets a minute pass"):
            Totp.objects.filter(user=self.person).update(last_step=0)
        return code_of(self.enrolment.seed, steps)

    def told(self) -> dict[str, str]:
        """What they know and hold, for another process to sign in with."""
        self.code()
        return {
            "email": self.person.email, "password": self.password, "seed": self.enrolment.key,
        }  # fmt: skip


def someone(name: str = "Sol Okafor", role: str = "security_admin") -> Someone:
    """A new person with password, app and recovery codes."""
    return set_up(staff(name, role))


def member_of(cast: Cast, role: str = "developer", *, skip: bool = False) -> Someone:
    """A new member of a tenant, who set up their sign-in; with `skip` without a second factor."""
    made = staff("Mika Sato", "")
    add_member(actor=OPERATOR, tenant_id=cast.tenant.id, person_id=made.id, role=role)
    return set_up(made, skip=skip)


def set_up(person: Person, *, skip: bool = False) -> Someone:
    """Let an invited person choose."""
    enrolment = Enrolment.new()
    link = invite_person(actor=OPERATOR, person_id=person.id).link.reveal()
    chosen = Chosen(PASSWORD, code_of(enrolment.seed), True, enrolment, skip)
    visitor = replace(OPERATOR, kind="user", id="unknown", label="a visitor", actions=frozenset())
    made = accept_invitation(visitor=visitor, token=link.rpartition("/")[2], chosen=chosen)
    return Someone(made, enrolment)


class Visitor:
    """A browser in which nobody is signed in, from an address of its own."""

    def __init__(self, address: str | None = None, **settings: Any) -> None:
        self.address = address or new_address()
        self.client = Client(raise_request_exception=False, **settings)

    def get(self, path: str, **parameters: Any) -> Page:
        """Look at a page."""
        return Page(self.client.get(path, parameters, REMOTE_ADDR=self.address))

    def post(self, path: str, fields: Any = None, **more: Any) -> Page:
        """Send a form."""
        return Page(self.client.post(path, fields or {}, REMOTE_ADDR=self.address, **more))

    def give_password(self, email: str, password: str, **fields: str) -> Page:
        """Step one."""
        told = {"email": email, "password": password, **fields}
        return self.post("/admin/login/", told)

    @property
    def key(self) -> str:
        """The session that its cookie names."""
        return str(self.client.cookies["countersign"].value)

    def sign_in(self, who: Someone, **fields: str) -> Page:
        """Both steps."""
        first = self.give_password(who.person.email, who.password, **fields)
        assert first.goes_to == "/admin/login/code/", first.text
        return self.post("/admin/login/code/", {"code": who.code()})

    def is_signed_in(self) -> bool:
        """Whether the pages are open."""
        return self.get("/admin/security/").status == 200


_count = 0


def new_address() -> str:
    """An address that no other test of this process uses."""
    global _count
    _count += 1
    return f"10.{_count >> 16 & 255}.{_count >> 8 & 255}.{_count & 255}"
