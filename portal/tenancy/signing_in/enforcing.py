"""With single sign-on enforced, who still signs in here, and who is told of it.

Security admins may, by a passkey, or a provider that is down, or taken over, would keep out those
who have to do something about it. A password and a code are not enough: they can be phished from
the few people who are worth it. Each such sign-in is an alert: an entry, and a mail to all of them.
"""

from typing import Final

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.clock import now
from portal.core.mail import Letter
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.mailing import send
from portal.tenancy.models import Passkey, Person
from portal.tenancy.people import target_of
from portal.tenancy.scope import platform_scope
from portal.tenancy.sso.provider import platform_provider

ADMIN: Final = Person.PlatformRole.SECURITY_ADMIN
KEYS: Final = frozenset({"hwk", "swk"})
"""How `amr` calls a passkey (RFC 8176)."""
RULE: Final = "rule that people come through the provider"
"""In the ledger: where a sign-in failed that nothing was wrong with."""


def enforced_by() -> str:
    """The name of the platform's provider, if people have to come through it."""
    provider = platform_provider()
    return provider.name if provider is not None and provider.enforced else ""


def refuse_past_sso(person: Person) -> None:
    """Refuse with FORBIDDEN whose password is right and who can't go on here. Outside of any scope.

    While single sign-on is enforced that is everybody but security admins with a passkey.
    """
    name = enforced_by()
    if not name:
        return
    with platform_scope("a person's own sign-in"):
        may = person.platform_role == ADMIN and Passkey.objects.filter(user=person).exists()
    if not may:
        raise _refused(name)


def note_past_sso(actor: Actor, person: Person, factor: str, *, by_link: bool) -> None:
    """Alert all security admins, if that was a sign-in past the provider. In its transaction.

    Refuses with FORBIDDEN whoever may not: but for security admins, and of them who used no
    passkey. A link of the operator's or of another admin's is as good as one (`by_link`): it is how
    such an account begins.
    """
    name = enforced_by()
    if not name:
        return
    if person.platform_role != ADMIN or not (by_link or KEYS.intersection(actor.auth)):
        raise _refused(name)
    record(
        Event.LOGIN_BREAK_GLASS, actor=actor, tenant=None, target=target_of(person),
        payload={"factor": f"{factor}, by a link" if by_link else factor},
    )  # fmt: skip
    for admin in Person.objects.filter(platform_role=ADMIN, is_active=True).order_by("id"):
        send(_letter(admin, person, actor.address, by_link), about=person.id)


def _refused(name: str) -> Refusal:
    return Refusal(
        "FORBIDDEN",
        f"Sign in through {name}. Past it only security admins come in, with a passkey. Nobody was"
        " signed in.",
    )


def _letter(admin: Person, person: Person, address: str | None, by_link: bool) -> Letter:
    moment = f"{now():%d %b %Y, %H:%M}"
    by = "a set-up link" if by_link else "a passkey"
    return Letter(
        admin.email,
        "A sign-in past single sign-on",
        f"{admin.name},\n\n{person.name} signed in to Countersign with {by}, past the provider,\n"
        f"on {moment} UTC from {address or 'no known address'}.\n\n"
        "If nobody knows why, disable that person and look at the ledger.\n",
    )
