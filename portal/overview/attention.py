"""What waits for a person: each a sentence with a link, the worst first."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.urls import NoReverseMatch, reverse

from portal.core.clock import now
from portal.core.templatetags.countersign import apart
from portal.overview.standing import Backlog, Refused, Standing, TenantLine

NAMED: Final = 3
"""Tenants or keys that a sentence names; the rest are counted."""
LATE: Final = dt.timedelta(seconds=30)
"""After which decisions that the drain has not written are worth a line."""


class Notice(NamedTuple):
    """One line: a chip, `before` `subject` `after` as a sentence, a second line, a button."""

    css: str
    chip: str
    before: str = ""
    subject: str = ""
    subject_url: str = ""
    after: str = ""
    detail: str = ""
    button: str = ""
    url: str = ""


@dataclass(frozen=True)
class State:
    """Everything that notices are made of."""

    lines: Sequence[TenantLine]
    whole: TenantLine
    refused: Sequence[Refused]
    standing: Standing
    backlog: Backlog | None


def address(name: str, *args: str, query: str = "") -> str:
    """A page's address, if there is such a page."""
    try:
        return reverse(f"admin:{name}", args=args) + query
    except NoReverseMatch:
        return ""


def counted(number: int, one: str, many: str = "") -> str:
    """`1 key`, `14 keys`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def among(pairs: Iterable[tuple[str, int]]) -> str:
    """`Acme 6, Globex 5 and 3 more tenants`, the most first."""
    held = sorted((p for p in pairs if p[1]), key=lambda each: (-each[1], each[0]))
    named = ", ".join(f"{name} {count:,}" for name, count in held[:NAMED])
    rest = len(held) - NAMED
    more = f" and {counted(rest, 'more tenant')}" if rest > 0 else ""
    return f"{named}{more}."


def notices(state: State) -> list[Notice]:
    """All that apply."""
    return [
        *_store(state.backlog),
        *_propagation(state.standing),
        *_leaked(state),
        *_refused(state),
        *_expiring(state),
        *_unserved(state),
        *_suspended(state),
        *_pending(state),
        *_mails(state.standing),
        *_invited(state.standing),
    ]


def keys_in_need(state: State) -> int:
    """How many keys the notices are about."""
    return state.whole.expiring + len(state.refused) + state.whole.states["leaked"]


def _store(backlog: Backlog | None) -> Iterator[Notice]:
    if backlog is None:
        yield Notice(
            "bad", "Redis away",
            "Redis does not answer. Every check is refused with STORE_UNAVAILABLE.",
            detail="What is taken away now holds as soon as Redis is back: the outbox keeps it.",
        )  # fmt: skip
    elif backlog.since and (waited := now() - backlog.since) > LATE:
        yield Notice(
            "warn", "Drain", f"{counted(backlog.waiting, 'decision')} have not been written to"
            f" PostgreSQL; the oldest waits for {apart(int(waited.total_seconds()))}.",
            detail="Figures and the decision log lag behind. Nothing is lost while Redis stands:"
            " see that the drain runs.",
        )  # fmt: skip


def _propagation(standing: Standing) -> Iterator[Notice]:
    if standing.outbox and standing.outbox_since:
        waited = apart(int((now() - standing.outbox_since).total_seconds()))
        yield Notice(
            "bad", "Not in force", f"{counted(standing.outbox, 'change')} have not reached the"
            f" check processes; the oldest waits for {waited}.",
            detail="Gateways may be answered by the old state until Redis takes it.",
        )  # fmt: skip


def _leaked(state: State) -> Iterator[Notice]:
    if count := state.whole.states["leaked"]:
        yield Notice(
            "bad", "Leaked", f"{counted(count, 'key')} found in public and stopped.",
            detail=among((line.name, line.states["leaked"]) for line in state.lines),
            button="List keys", url=address("keys", query="?state=leaked"),
        )  # fmt: skip


def _refused(state: State) -> Iterator[Notice]:
    tenants = {line.id: line.name for line in state.lines}
    for key in state.refused[:NAMED]:
        share = 100 * key.denied / (key.denied + key.allowed)
        yield Notice(
            "warn", "Rejections", f"{share:.0f} % of what ", key.name, address("key", key.id),
            " asked in 24 hours was refused.",
            f"Mostly {key.code}, {key.denied:,} times. {tenants.get(key.tenant_id, '')}.",
            "Open key", address("key", key.id),
        )  # fmt: skip
    if (rest := len(state.refused) - NAMED) > 0:
        more = "97 or more" if rest >= 97 else f"{rest}"
        yield Notice(
            "warn", "Rejections", f"{more} other keys are mostly refused.",
            button="Refused decisions", url=address("decisions", query="?outcome=denied"),
        )  # fmt: skip


def _expiring(state: State) -> Iterator[Notice]:
    if count := state.whole.expiring:
        today = state.whole.today
        when = "7 days, none of them within 24 hours"
        if today:
            when = "24 hours" if today == count else f"7 days, {today} of them within 24 hours"
        yield Notice(
            "warn", "Expiring",
            f"{counted(count, 'key expires', 'keys expire')} within {when}.",
            detail=among((line.name, line.expiring) for line in state.lines),
            button="List keys", url=address("keys", query="?expiry=7d"),
        )  # fmt: skip


def _unserved(state: State) -> Iterator[Notice]:
    served = set(state.standing.served or ())
    left = [(x.name, x.states["active"]) for x in state.lines if x.id not in served]
    if count := sum(n for _, n in left):
        yield Notice(
            "warn", "No gateway", f"No enabled gateway asks about {counted(count, 'active key')}.",
            detail=f"They can be used nowhere. {among(left)}",
            button="Gateways", url=address("gateways"),
        )  # fmt: skip


def _suspended(state: State) -> Iterator[Notice]:
    stopped = [line for line in state.lines if line.suspended]
    for line in stopped[:NAMED]:
        held = line.states["active"]
        yield Notice(
            "info", "Suspended", "", line.name, address("tenant", line.slug), " is suspended.",
            f"{counted(held, 'active key is', 'active keys are')} refused with TENANT_SUSPENDED."
            if held else "It has no active key.",
            "Open tenant", address("tenant", line.slug),
        )  # fmt: skip
    if (rest := len(stopped) - NAMED) > 0:
        yield Notice(
            "info", "Suspended",
            f"{counted(rest, 'other tenant is', 'other tenants are')} suspended.",
            button="List tenants", url=address("tenants", query="?status=suspended"),
        )  # fmt: skip


def _pending(state: State) -> Iterator[Notice]:
    if count := state.whole.states["pending"]:
        yield Notice(
            "info", "Pending",
            f"{counted(count, 'key waits', 'keys wait')} for an approval.",
            detail=among((line.name, line.states["pending"]) for line in state.lines),
            button="List keys", url=address("keys", query="?state=pending"),
        )  # fmt: skip


def _mails(standing: Standing) -> Iterator[Notice]:
    if count := standing.mails_failed:
        yield Notice(
            "warn", "Mail", f"{counted(count, 'mail')} of the last 7 days could not be delivered.",
            detail="The outbox says why. What they say can be handed over by hand.",
            button="Open outbox", url=address("outbox", query="?state=failed"),
        )  # fmt: skip


def _invited(standing: Standing) -> Iterator[Notice]:
    if count := standing.invited:
        yield Notice(
            "info", "Set-up",
            f"{counted(count, 'person has', 'people have')} not set up their sign-in yet.",
            detail="The link that was sent to them works once, until it expires.",
            button="People", url=address("people"),
        )  # fmt: skip
