"""Proving again, by signing in at the provider again, that it is still the same person.

Coming back from a provider alone proves nothing of the kind: it may still know the browser, and ask
nobody anything. It has to say when it last asked (`auth_time`; OpenID Connect Core, section 2), and
that it asked for a second factor. What it does not say is not proved.
"""

from typing import Final

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.clock import now
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.models import ExternalIdentity, Person
from portal.tenancy.people import target_of
from portal.tenancy.signing_in.proof import LASTS, note_proved
from portal.tenancy.signing_in.signing import lock_unchanged
from portal.tenancy.sso.id_token import SKEW
from portal.tenancy.sso.provider import Claims, Provider

LATEST: Final = 2**40
"""Seconds: what is said to be later is no moment."""
SILENT: Final = (
    "The provider did not say that it asked for a second factor just now. Nothing was proved."
)
SOMEBODY_ELSE: Final = "Somebody else signed in there. Nothing was proved."


def proved_ago(provider: Provider, claims: Claims) -> float | None:
    """Seconds since the provider asked for everything; None if it does not say so, or too long."""
    moment = claims.get("auth_time")
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        return None
    if not 0 < moment < LATEST or not provider.counts_as_mfa(claims):
        return None
    ago = now().timestamp() - moment
    return max(ago, 0.0) if -SKEW <= ago <= LASTS else None


def step_up_through(
    *, actor: Actor, person: Person, provider: Provider, claims: Claims, session_key: str
) -> None:
    """Take a sign-in at the provider that let this session in as a proof, as old as it says.

    Refuses with FORBIDDEN, in words, what proves nothing, and with NOT_FOUND when the person was
    disabled meanwhile.
    """
    ago = proved_ago(provider, claims)
    if ago is None:
        raise Refusal("FORBIDDEN", SILENT)
    with platform_change("a person's own session"):
        lock_unchanged(person)
        theirs = ExternalIdentity.objects.filter(
            person_id=person.id, issuer=provider.issuer, subject=claims["sub"]
        )
        if not theirs.exists():
            raise Refusal("FORBIDDEN", SOMEBODY_ELSE)
        note_proved(person.id, session_key, ago)
        record(
            Event.LOGIN_STEPPED_UP, actor=actor, tenant=provider.tenant_id,
            target=target_of(person), payload={"factor": f"a sign-in at {provider.name}"},
        )  # fmt: skip
