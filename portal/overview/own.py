"""A tenant's own first page: how its keys stand, in a sentence, figures and what waits."""

from typing import Any, Final

from audit.ledger.reading import entries, payload_of
from audit.ledger.sentences import sentence
from keys.figures import Of
from keys.heat import heat_of
from keys.pages.finding import in_need
from portal.core.clock import now
from portal.overview.attention import counted
from portal.overview.figures import PERIODS, Figures, figures, period_of
from portal.overview.own_attention import OwnState, own_notices
from portal.overview.own_standing import Own, own
from portal.overview.own_steps import own_steps
from portal.overview.quotas import Quota, nearest
from portal.overview.standing import refused
from portal.tenancy.pages.in_tenant import InTenant

QUOTAS_SHOWN: Final = 4


class OwnOverview(InTenant):
    """`/t/<slug>/`."""

    needs = "usage:read"
    section = "index"
    template = "overview/own.html"

    def context(self) -> dict[str, Any]:
        tenant_id = self.place.tenant_id
        told = figures(period_of(self.request.GET.get("period", "")), tenant_id)
        standing, quotas = own(tenant_id), nearest(tenant_id)
        need = in_need(tenant_id).count()
        state = OwnState(standing, refused(tenant_id), quotas or [], self.url)
        return {
            "now": now(), "periods": PERIODS, "figures": told, "own": standing,
            "sentence": summary(told, standing, need, suspended=self.suspended), "in_need": need,
            "quotas": quotas, "quotas_shown": (quotas or [])[:QUOTAS_SHOWN],
            "nearest": nearest_of(quotas), "notices": own_notices(state),
            "heat": heat_of(Of(tenant=tenant_id)),
            "steps": [] if self.suspended else own_steps(self.actor, standing, self.url),
            "decisions_url": self.url("decisions"), "may_write": self.may("keys:write"),
            "reads_ledger": self.may("audit:read"),
            "entry": self.last_entry() if self.may("audit:read") else None,
            "recorded": standing.recorded,
        }  # fmt: skip

    def last_entry(self) -> dict[str, Any] | None:
        """What was recorded last, in words."""
        last = entries(tenant=self.place.tenant_id).first()
        if last is None:
            return None
        words = sentence(last, payload_of(last))
        return {"id": last.id, "type": last.type, "at": last.occurred_at, "words": words}


def nearest_of(quotas: list[Quota] | None) -> Quota | None:
    """The quota nearest its end."""
    return quotas[0] if quotas else None


def summary(told: Figures, standing: Own, need: int, *, suspended: bool = False) -> str:
    """What is so, in a sentence or two."""
    if not standing.keys:
        return "There is no key yet."
    asked = f"Nothing was asked in the last {told.period.words}."
    if told.decisions:
        asked = (
            f"{counted(told.allowed, 'request was', 'requests were')} allowed and"
            f" {told.denied:,} denied in the last {told.period.words}."
        )
    if not standing.active:
        return f"{asked} No key is active."
    if need:
        return f"{asked} {counted(need, 'key needs', 'keys need')} attention."
    return asked if suspended else f"{asked} Every key stands well."
