"""What waits for a tenant's own people: each a sentence with a link, the worst first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from portal.overview.attention import Notice, counted
from portal.overview.own_standing import NAMED, Own
from portal.overview.quotas import Quota
from portal.overview.standing import Refused

SOON: Final = "7 days"


@dataclass(frozen=True)
class OwnState:
    """Everything that notices are made of."""

    own: Own
    refused: Sequence[Refused]
    quotas: Sequence[Quota]
    url: Callable[..., str]
    """The address of a page, by its name."""

    def keys(self, query: str) -> str:
        """The list of keys, narrowed."""
        return f"{self.url('keys')}?{query}"


def own_notices(state: OwnState) -> list[Notice]:
    """All that apply."""
    return [
        *_leaked(state),
        *_ended(state),
        *_unanswered(state),
        *_quotas(state),
        *_refused(state),
        *_expiring(state),
        *_unasked(state),
        *_unused(state),
        *_pending(state),
    ]


def _leaked(state: OwnState) -> Iterator[Notice]:
    if count := state.own.states["leaked"]:
        yield Notice(
            "bad", "Leaked", f"{counted(count, 'key was', 'keys were')} found in public.",
            detail="Each is refused with KEY_LEAKED for good. Create another in its place.",
            button="List keys", url=state.keys("state=leaked"),
        )  # fmt: skip


def _ended(state: OwnState) -> Iterator[Notice]:
    if count := state.own.ended:
        yield Notice(
            "bad", "Expired", f"{counted(count, 'key has', 'keys have')} come to an end.",
            detail="What asks with them is refused with KEY_EXPIRED. Extend or revoke them.",
            button="List keys", url=state.keys("state=expired"),
        )  # fmt: skip


def _unanswered(state: OwnState) -> Iterator[Notice]:
    if count := state.own.unanswered:
        yield Notice(
            "bad", "Owner disabled",
            f"Nobody answers for {counted(count, 'active key')}: the owner is disabled.",
            detail="They are refused with OWNER_DISABLED. Give them another owner.",
            button="List keys", url=state.keys("state=active"),
        )  # fmt: skip


def _quotas(state: OwnState) -> Iterator[Notice]:
    short = [quota for quota in state.quotas if quota.burn.css]
    for quota in short[:NAMED]:
        chip = "Used up" if quota.burn.over else "Runs out"
        whose = f" of {quota.key_name}" if quota.key_id else ", which keys share,"
        yield Notice(
            quota.burn.css, chip, "The limit ", quota.name, state.url("limit", quota.id),
            f"{whose} has {quota.percent} % left.",
            quota.burn.words, "Open limit", state.url("limit", quota.id),
        )  # fmt: skip
    if (rest := len(short) - NAMED) > 0:
        yield Notice(
            "warn", "Runs out",
            f"{counted(rest, 'other limit runs', 'other limits run')} out in this window.",
            button="List limits", url=state.url("limits"),
        )  # fmt: skip


def _refused(state: OwnState) -> Iterator[Notice]:
    for key in state.refused[:NAMED]:
        share = 100 * key.denied / (key.denied + key.allowed)
        yield Notice(
            "warn", "Rejections", f"{share:.0f} % of what ", key.name, state.url("key", key.id),
            " asked in 24 hours was refused.",
            f"Mostly {key.code}, {key.denied:,} times in all.", "Open key",
            state.url("key", key.id),
        )  # fmt: skip
    if (rest := len(state.refused) - NAMED) > 0:
        more = "97 or more" if rest >= 97 else f"{rest}"
        yield Notice(
            "warn", "Rejections", f"{more} other keys are mostly refused.",
            button="Refused decisions", url=f"{state.url('decisions')}?outcome=denied",
        )  # fmt: skip


def _expiring(state: OwnState) -> Iterator[Notice]:
    own = state.own
    if not own.expiring:
        return
    css, within = "bad" if own.today else "warn", "24 hours" if own.today == own.expiring else SOON
    if own.expiring == 1:
        address = state.url("key", own.soon[0])
        yield Notice(
            css, "Expiring", "", own.soon_names[0], address, f" expires within {within}.",
            "From then on it is refused with KEY_EXPIRED. Extend it before.", "Open key", address,
        )  # fmt: skip
        return
    rest = own.expiring - len(own.soon_names)
    some = f", {own.today} of them within 24 hours" if 0 < own.today < own.expiring else ""
    yield Notice(
        css, "Expiring", f"{own.expiring:,} keys expire within {within}{some}.",
        detail=f"{', '.join(own.soon_names)}{f' and {rest:,} more' if rest else ''}.",
        button="List keys", url=state.keys("expiry=7d"),
    )  # fmt: skip


def _unasked(state: OwnState) -> Iterator[Notice]:
    if count := state.own.unasked:
        yield Notice(
            "warn", "No gateway", f"No gateway asks about {counted(count, 'active key')}.",
            detail="Nothing stands in front of their API for this tenant and environment: they can"
            " be used nowhere. The platform's administrators bind gateways.",
            button="List keys", url=state.keys("state=active"),
        )  # fmt: skip


def _unused(state: OwnState) -> Iterator[Notice]:
    if count := state.own.never:
        yield Notice(
            "info", "Never used",
            f"{counted(count, 'active key was', 'active keys were')} never used.",
            detail="Hand them over, or revoke them: what nobody misses is safest gone.",
            button="List keys", url=state.keys("state=active&used=never"),
        )  # fmt: skip
    if count := state.own.idle:
        yield Notice(
            "info", "Idle", f"{counted(count, 'active key was', 'active keys were')} not used for"
            " 30 days.",
            detail="Narrow them, or revoke them.",
            button="List keys", url=state.keys("state=active&used=idle"),
        )  # fmt: skip


def _pending(state: OwnState) -> Iterator[Notice]:
    if count := state.own.states["pending"]:
        yield Notice(
            "info", "Pending", f"{counted(count, 'key waits', 'keys wait')} for an approval.",
            button="List keys", url=state.keys("state=pending"),
        )  # fmt: skip
