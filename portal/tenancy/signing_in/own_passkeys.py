"""What signed-in people do about their own passkeys. Each change ends their other sessions.

Adding and removing one asks for a code, as every change of how one signs in. A passkey is added in
two steps: after the right code the browser is told whom to make one for, and the challenge that it
is told is the proof in the second. So no authenticator keeps a passkey that a wrong code refused.
"""

from typing import Any, Final

from audit.ledger.events import Event
from portal.core.refusals import Faults, Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.models import Passkey, Person, Totp
from portal.tenancy.permission import found, unless_taken
from portal.tenancy.signing_in.changing import factor_of, needs_code, only_here
from portal.tenancy.signing_in.passkeys import (
    KNOWN,
    about,
    creation_options,
    record_passkey,
    register,
)
from portal.tenancy.signing_in.signing import lock_unchanged, proving, use_factor
from portal.tenancy.texts import checked, fault_of_text

MOST: Final = 10
"""Passkeys of one person: a device or a password manager each."""
LONGEST_NAME: Final = 64
ADD: Final = "add"
"""What the challenges of adding are for."""
WHY: Final = "a person's own passkeys"
ENOUGH: Final = f"You have {MOST} passkeys, which is the most. Remove one first."
ELSEWHERE: Final = (
    "You sign in through a provider alone, and a passkey would outlast your account there. Ask a"
    " security admin for a link to sign in here as well."
)
ONLY: Final = "This is your only second factor. Add another one first."


def begin_passkey(
    *, actor: Actor, person: Person, name: str, code: str, device: str | None, browser: str
) -> dict[str, Any]:
    """Use up a code, and say what `browser` is to make a passkey with.

    Refuses with CONFLICT whoever has enough or no password here, and wrong codes as any change of
    one's sign-in.
    """
    faults = Faults()
    faults.add("/name", fault_of_text(name, LONGEST_NAME))
    faults.add("/code", None if code.strip() else "A code is needed.")
    faults.settle()
    factor = factor_of(code)
    with proving(actor, person, factor, device), platform_change(WHY):
        lock_unchanged(person)
        _refuse_more(person)
        use_factor(visitor=actor, person=person, factor=factor, text=code)
        return creation_options(person, about(ADD, person.id, browser))


def add_passkey(
    *, actor: Actor, person: Person, name: str, text: str, browser: str, session_key: str
) -> Passkey:
    """Keep the passkey that `browser` made (its answer is `text`); other sessions end.

    Refuses with CREDENTIAL_INVALID whatever is not the answer to what `begin_passkey` said there
    less than five minutes ago, once; with CONFLICT a passkey that is known already.
    """
    checked(name, "/name", LONGEST_NAME)
    with unless_taken(KNOWN), platform_change(WHY):
        lock_unchanged(person)
        _refuse_more(person)
        made = register(person, about(ADD, person.id, browser), name, text)
        record_passkey(Event.PASSKEY_ADDED, actor, person, name)
        only_here(person, session_key)
    return made


def rename_passkey(*, actor: Actor, person: Person, passkey_id: str, name: str) -> None:
    """Call a passkey of one's own otherwise. Nothing of signing in changes, so nothing is asked."""
    checked(name, "/name", LONGEST_NAME)
    with platform_change(WHY):
        passkey = own_passkey(person, passkey_id)
        if Passkey.objects.filter(id=passkey.id).exclude(name=name).update(name=name):
            was, will_be = {"name": passkey.name}, {"name": name}
            record_passkey(
                Event.PASSKEY_RENAMED, actor, person, name, before=was, after=will_be
            )  # fmt: skip


def remove_passkey(
    *, actor: Actor, person: Person, passkey_id: str, code: str, device: str | None,
    session_key: str,
) -> None:  # fmt: skip
    """Forget a passkey of one's own: it proves nothing from now on. Other sessions end.

    Refuses with CONFLICT the last second factor: recovery codes alone are none to live with.
    """
    needs_code(code)
    factor = factor_of(code)
    with proving(actor, person, factor, device), platform_change(WHY):
        lock_unchanged(person)
        passkey = own_passkey(person, passkey_id)
        others = Passkey.objects.filter(user=person).exclude(id=passkey.id)
        if not others.exists() and not Totp.objects.filter(user=person, confirmed=True).exists():
            raise Refusal("CONFLICT", ONLY)
        use_factor(visitor=actor, person=person, factor=factor, text=code)
        passkey.delete()
        record_passkey(Event.PASSKEY_REMOVED, actor, person, passkey.name)
        only_here(person, session_key)


def own_passkey(person: Person, passkey_id: str) -> Passkey:
    """One of the person's; NOT_FOUND alike for somebody else's and for none. Inside a scope."""
    passkey: Passkey = found(Passkey.objects.filter(user=person), passkey_id)
    return passkey


def passkeys_of(person: Person) -> list[Passkey]:
    """All of the person's, the first one first. Inside the platform's scope."""
    return list(Passkey.objects.filter(user=person).order_by("created_at", "id"))


def _refuse_more(person: Person) -> None:
    if not person.has_usable_password():
        raise Refusal("CONFLICT", ELSEWHERE)
    if Passkey.objects.filter(user=person).count() >= MOST:
        raise Refusal("CONFLICT", ENOUGH)
