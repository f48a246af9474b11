"""With single sign-on enforced, who still signs in here, and who is told of it.

Security admins may, or a provider that is down, or taken over, would keep out those who have to do
something about it. Each such sign-in is an alert: an entry, and a mail to all of them.
"""

from typing import Final

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.clock import now
from portal.core.mail import Letter
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.mailing import send
from portal.tenancy.models import Person
from portal.tenancy.people import target_of
from portal.tenancy.sso.provider import platform_provider

ADMIN: Final = Person.PlatformRole.SECURITY_ADMIN


def _enforced_by() -> str:
    provider = platform_provider()
    return provider.name if provider is not None and provider.enforced else ""


def refuse_past_sso(person: Person) -> None:
    """Refuse with FORBIDDEN whoever has to come through the platform's provider."""
    name = _enforced_by()
    if name and person.platform_role != ADMIN:
        raise Refusal("FORBIDDEN", f"Sign in through {name}: nobody was signed in.")


def note_past_sso(actor: Actor, person: Person, factor: str) -> None:
    """Alert all security admins, if that was a sign-in past the provider. In its transaction."""
    if not _enforced_by():
        return
    record(
        Event.LOGIN_BREAK_GLASS, actor=actor, tenant=None, target=target_of(person),
        payload={"factor": factor},
    )  # fmt: skip
    for admin in Person.objects.filter(platform_role=ADMIN, is_active=True).order_by("id"):
        send(_letter(admin, person, actor.address), about=person.id)


def _letter(admin: Person, person: Person, address: str | None) -> Letter:
    moment = f"{now():%d %b %Y, %H:%M}"
    return Letter(
        admin.email,
        "A sign-in past single sign-on",
        f"{admin.name},\n\n{person.name} signed in to Countersign with a password and a second"
        f" factor,\npast the provider, on {moment} UTC from {address or 'no known address'}.\n\n"
        "If nobody knows why, disable that person and look at the ledger.\n",
    )
