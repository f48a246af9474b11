"""People with passkeys, made by the verbs and an authenticator in software."""

from dataclasses import dataclass, field, replace
from typing import Any

from portal.tenancy.actors import Actor
from portal.tenancy.models import Passkey
from portal.tenancy.signing_in.own_passkeys import add_passkey, begin_passkey
from tests.authenticator import Authenticator
from tests.cast import OPERATOR
from tests.pages.app import Someone, new_address, someone

HERE = "h" * 32
"""What one browser alone has; another one has another."""


def visitor() -> Actor:
    """Somebody who is not signed in, from an address of their own."""
    return replace(
        OPERATOR, kind="user", id="unknown", label="a visitor", actions=frozenset(),
        address=new_address(),
    )  # fmt: skip


@dataclass
class Holder:
    """Someone who set up their sign-in and has an authenticator."""

    who: Someone
    device: Authenticator = field(default_factory=Authenticator)

    @property
    def actor(self) -> Actor:
        person = self.who.person
        return replace(visitor(), id=person.id, label=person.name, auth=("pwd", "otp"))

    def begin(self, name: str = "Laptop", browser: str = HERE) -> dict[str, Any]:
        """What the browser is asked, after a right code."""
        return begin_passkey(
            actor=self.actor, person=self.who.person, name=name, code=self.who.code(),
            device=None, browser=browser,
        )  # fmt: skip

    def send(self, text: str, name: str = "Laptop", browser: str = HERE) -> Passkey:
        """The browser's answer."""
        return add_passkey(
            actor=self.actor, person=self.who.person, name=name, text=text, browser=browser,
            session_key="none",
        )  # fmt: skip

    def add(self, name: str = "Laptop", device: Authenticator | None = None) -> Passkey:
        """Add a passkey."""
        return self.send((device or self.device).create(self.begin(name)), name)


def holder(name: str = "Sol Okafor", role: str = "security_admin", **device: Any) -> Holder:
    """A person with one passkey."""
    made = Holder(someone(name, role), Authenticator(**device))
    made.add()
    return made
