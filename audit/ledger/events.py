"""Every kind of event there is, each with its sentence. Webhooks and alerts select on these."""

from enum import Enum, unique
from typing import Literal

import msgspec

Retention = Literal["change", "access", "system"]
"""What a payload is kept for: changes, attempts (addresses: shortest), the product's own notes."""


class Data(msgspec.Struct, forbid_unknown_fields=True):
    """What an event tells beyond actor, target and reason."""


class Refused(Data):
    """An attempt that the role x action matrix or a rule refused."""

    action: str


class Presented(Data):
    """A credential as presented. `kid` is its public id, never more of it."""

    credential: str
    kid: str | None = None


class Exposed(Data):
    """A real credential that was sent where others write it down or can read it."""

    credential: str
    way: str = "in a query string"
    """Or `over plain HTTP`."""


class Restored(Data):
    """Counters written back after Redis lost its memory."""

    shard: int
    era: str
    counters: int


class RolledUp(Data):
    """An hour of a tenant's decisions, anchored by the digest of its usage rows."""

    hour: str
    decisions: int
    digest: str


class Until(Data):
    """A link that was handed out, and when it ends."""

    until: str


class Factor(Data):
    """What a sign-in was proved with or failed at: `password`, `six-digit code`, …"""

    factor: str


class Through(Data):
    """Whose word it was that someone signed in, and what proved it beside."""

    provider: str
    factor: str


class Tied(Data):
    """The issuer at which a person is known as somebody."""

    issuer: str


class Left(Data):
    """Recovery codes that were not used yet."""

    left: int


class Named(Data):
    """A passkey, as its person called it."""

    passkey: str


class Ended(Data):
    """How many sessions of a person ended."""

    ended: int


class On(Data):
    """Where a session was, in words of ours: `Firefox on Linux`."""

    browser: str


class Exported(Data):
    """A copy of entries that left: in which format, how many, and what they were filtered by."""

    format: str
    entries: int
    filter: str


@unique
class Event(Enum):
    """`noun.verb`, the sentence, the type of its data if it has any, and its retention."""

    KEY_ISSUED = ("key.issued", "{actor} issued {target}")
    KEY_CHANGED = ("key.changed", "{actor} changed {target}")
    KEY_SUSPENDED = ("key.suspended", "{actor} suspended {target}")
    KEY_RESUMED = ("key.resumed", "{actor} resumed {target}")
    KEY_REVOKED = ("key.revoked", "{actor} revoked {target}")
    LIMIT_CHANGED = ("limit.changed", "{actor} changed {target}")
    TENANT_CREATED = ("tenant.created", "{actor} created {target}")
    TENANT_SUSPENDED = ("tenant.suspended", "{actor} suspended {target}")
    TENANT_RESUMED = ("tenant.resumed", "{actor} resumed {target}")
    TENANT_FACTOR_REQUIRED = (
        "tenant.factor_required", "{actor} requires a second factor of the members of {target}",
    )  # fmt: skip
    TENANT_FACTOR_WAIVED = (
        "tenant.factor_waived", "{actor} waived the second factor for the members of {target}",
    )  # fmt: skip
    PERSON_CREATED = ("person.created", "{actor} created {target}")
    PERSON_DISABLED = ("person.disabled", "{actor} disabled {target}")
    PERSON_ENABLED = ("person.enabled", "{actor} enabled {target}")
    PERSON_ROLE_CHANGED = ("person.role_changed", "{actor} changed the platform role of {target}")
    PERSON_INVITED = ("person.invited", "{actor} invited {target}", Until)
    PERSON_SET_UP = ("person.set_up", "{actor} set up their sign-in")
    SETUP_LINK_MADE = ("setup_link.made", "{actor} made the {target}", Until)
    PASSWORD_CHANGED = ("password.changed", "{actor} changed their password")
    SECOND_FACTOR_CHANGED = ("second_factor.changed", "{actor} set up another authenticator app")
    PASSKEY_ADDED = ("passkey.added", "{actor} added the passkey {passkey}", Named)
    PASSKEY_RENAMED = ("passkey.renamed", "{actor} renamed the passkey {passkey}", Named)
    PASSKEY_REMOVED = ("passkey.removed", "{actor} removed the passkey {passkey}", Named)
    RECOVERY_CODES_MADE = ("recovery_codes.made", "{actor} made new recovery codes")
    RECOVERY_CODE_USED = (
        "recovery_code.used", "{actor} used a recovery code; {left} are left", Left,
    )  # fmt: skip
    SESSION_ENDED = ("session.ended", "{actor} ended their session on {browser}", On, "access")
    SESSIONS_ENDED = ("sessions.ended", "{actor} ended {ended} other sessions of theirs", Ended)
    PERSON_SIGNED_OUT = (
        "person.signed_out", "{actor} ended {ended} sessions of {target}", Ended,
    )  # fmt: skip
    PASSWORD_RESET_ASKED = (
        "password.reset_asked", "{actor} asked for a link to choose another password of {target}",
        Until, "access",
    )  # fmt: skip
    PASSWORD_RESET = (
        "password.reset", "{actor} chose another password by a link, with {factor}", Factor,
    )  # fmt: skip
    SECOND_FACTOR_ASKED = (
        "second_factor.asked", "{actor} asked for a link to set up a second factor", Until,
        "access",
    )  # fmt: skip
    LOGIN_STEPPED_UP = (
        "login.stepped_up", "{actor} proved with {factor} that it is still them", Factor, "access",
    )  # fmt: skip
    SESSIONS_CUT = ("sessions.cut", "{actor} ended {ended} sessions of {target}", Ended)
    LOGIN_SUCCEEDED = (
        "login.succeeded", "{actor} signed in with password and {factor}", Factor, "access",
    )  # fmt: skip
    LOGIN_BY_PASSKEY = (
        "login.by_passkey", "{actor} signed in with a {factor} alone", Factor, "access",
    )  # fmt: skip
    LOGIN_FAILED = (
        "login.failed", "a sign-in as {target} failed at the {factor}", Factor, "access",
    )  # fmt: skip
    LOGIN_THROTTLED = (
        "login.throttled", "sign-ins as {target} have to wait: too many failed", None, "access",
    )  # fmt: skip
    LOGIN_THROUGH_PROVIDER = (
        "login.through_provider", "{actor} signed in through {provider}, with {factor}",
        Through, "access",
    )  # fmt: skip
    LOGIN_BREAK_GLASS = (
        "login.break_glass", "{actor} signed in past single sign-on, with {factor}",
        Factor, "access",
    )  # fmt: skip
    LOGIN_ENDED = ("login.ended", "{actor} signed out", None, "access")
    INVITATION_SENT = ("invitation.sent", "{actor} invited {target}", Until)
    INVITATION_SENT_AGAIN = ("invitation.sent_again", "{actor} invited {target} again", Until)
    INVITATION_WITHDRAWN = ("invitation.withdrawn", "{actor} withdrew {target}")
    INVITATION_ACCEPTED = ("invitation.accepted", "{actor} accepted {target}")
    MEMBERSHIP_CREATED = ("membership.created", "{actor} created {target}")
    MEMBERSHIP_CHANGED = ("membership.changed", "{actor} changed {target}")
    MEMBERSHIP_ENABLED = ("membership.enabled", "{actor} enabled {target}")
    MEMBERSHIP_DISABLED = ("membership.disabled", "{actor} disabled {target}")
    API_CREATED = ("api.created", "{actor} created {target}")
    API_CHANGED = ("api.changed", "{actor} changed {target}")
    API_GRANTED = ("api.granted", "{actor} granted {target} to the tenant")
    API_WITHDRAWN = ("api.withdrawn", "{actor} withdrew {target} from the tenant")
    GATEWAY_CREATED = ("gateway.created", "{actor} created {target}")
    GATEWAY_CHANGED = ("gateway.changed", "{actor} changed {target}")
    GATEWAY_DISABLED = ("gateway.disabled", "{actor} disabled {target}")
    MANAGEMENT_TOKEN_CREATED = ("management_token.created", "{actor} created {target}")
    MANAGEMENT_TOKEN_REVOKED = ("management_token.revoked", "{actor} revoked {target}")
    PROVIDER_CREATED = ("identity_provider.created", "{actor} set up {target}")
    PROVIDER_CHANGED = ("identity_provider.changed", "{actor} changed {target}")
    PROVIDER_TURNED_ON = ("identity_provider.turned_on", "{actor} turned {target} on")
    PROVIDER_TURNED_OFF = ("identity_provider.turned_off", "{actor} turned {target} off")
    DOMAIN_CLAIMED = ("domain.claimed", "{actor} claimed {target}")
    DOMAIN_VERIFIED = ("domain.verified", "{actor} showed that {target} is the tenant's")
    DOMAIN_REMOVED = ("domain.removed", "{actor} removed {target}")
    IDENTITY_INVITED = (
        "identity.invited",
        "{actor} invited {target} to sign in through a provider",
    )
    IDENTITY_LINKED = ("identity.linked", "{actor} tied {target} to {issuer}", Tied)
    IDENTITY_UNLINKED = ("identity.unlinked", "{actor} untied {target} from {issuer}", Tied)
    DEPROVISIONING_TOKEN_CREATED = ("deprovisioning_token.created", "{actor} created {target}")
    DEPROVISIONING_TOKEN_REVOKED = ("deprovisioning_token.revoked", "{actor} revoked {target}")
    ACCESS_REFUSED = (
        "access.refused", "{actor} was refused {action} on {target}", Refused, "access",
    )  # fmt: skip
    CREDENTIAL_REFUSED = (
        "credential.refused", "a {credential} was refused at {target}", Presented, "access",
    )  # fmt: skip
    CREDENTIAL_EXPOSED = (
        "credential.exposed", "{target} was sent {way}", Exposed, "access",
    )  # fmt: skip
    MAIL_READ = ("mail.read", "{actor} read {target}", None, "access")
    DRAIN_RESTORED = (
        "drain.restored", "Redis lost its memory: {counters} counters of {target} were restored",
        Restored, "system",
    )  # fmt: skip
    JOB_ASKED = ("job.asked", "{actor} asked for {target}", None, "access")
    JOB_CANCELLED = ("job.cancelled", "{actor} cancelled {target}", None, "access")
    JOB_FAILED = ("job.failed", "what {actor} asked for, {target}, came to nothing", None, "access")
    LEDGER_EXPORTED = (
        "ledger.exported", "{actor} exported {entries} entries of {target}", Exported, "access",
    )  # fmt: skip
    USAGE_ROLLED_UP = (
        "usage.rolled_up", "{decisions} decisions of {target} in the hour {hour} were anchored",
        RolledUp, "system",
    )  # fmt: skip

    def __init__(
        self,
        type: str,
        template: str,
        data: type[Data] | None = None,
        retention: Retention = "change",
    ) -> None:
        self.type = type
        self.template = template
        self.data = data
        self.retention = retention

    def __str__(self) -> str:
        return self.type


BY_TYPE = {event.type: event for event in Event}
