"""Whether a tenant asks a second factor of its members: the admin's pages, and the owner's."""

from typing import ClassVar

from django.db.models import Exists, OuterRef
from django.http import HttpResponse

from audit.ledger.target import Target
from portal.tenancy.factor_policy import require_factor, waive_factor
from portal.tenancy.models import Membership, Tenant, Totp
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.tenant import OfTenant
from portal.tenancy.pages.writing import tell


def without_factor(tenant: Tenant) -> int:
    """How many active members have no second factor. Inside the platform's scope."""
    has = Exists(Totp.objects.filter(user=OuterRef("person"), confirmed=True))
    members = Membership.objects.filter(tenant=tenant, is_active=True, person__is_active=True)
    return int(members.exclude(has).count())


class RequireFactor(OfTenant):
    """`/admin/tenants/<slug>/second-factor/require/`."""

    heading = "Require a second factor of the members of {}?"
    price = "Its pages are open only to members who proved one, from their next request on."
    words: ClassVar[tuple[str, ...]] = (
        "Who has none gets a link by mail when they come next, and sets one up.",
        "Its keys and management tokens go on working.",
    )
    button = "Require second factor"
    keep = "Leave it as it is"
    danger = False
    already = "{} requires a second factor already."

    def aim(self) -> tuple[Target, str | None]:
        return super().aim()[0], self.tenant.id

    def turned(self) -> bool:
        return self.tenant.mfa_required

    def more(self) -> list[str]:
        count = without_factor(self.tenant)
        return [f"{count} of its members {'has' if count == 1 else 'have'} none."] * bool(count)

    def act(self, form: Form) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        require_factor(actor=self.actor, tenant_id=self.tenant.id, reason=reason)
        tell(self.request, self.done("{} requires a second factor of its members."))
        return self.gone_on()

    def gone_on(self) -> HttpResponse:
        """Back to where it is shown."""
        return self.to("tenant", self.tenant.slug)


class WaiveFactor(RequireFactor):
    """`/admin/tenants/<slug>/second-factor/waive/`."""

    heading = "Let members of {} in with a password alone?"
    price = "Whoever learns a member’s password can do what that member may."
    words = (
        "Who has set up a second factor is asked for it all the same.",
        "So is whoever is also in a tenant that requires one, or has a role on the platform.",
        "Its owners can require it again.",
    )
    button = "Waive second factor"
    keep = "Keep requiring it"
    danger = True
    already = "{} waives the second factor already."

    def turned(self) -> bool:
        return not self.tenant.mfa_required

    def more(self) -> list[str]:
        return []

    def act(self, form: Form) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        waive_factor(actor=self.actor, tenant_id=self.tenant.id, reason=reason)
        tell(self.request, self.done("{} waives the second factor for its members."))
        return self.gone_on()


class OwnRequireFactor(RequireFactor):
    """`/t/<slug>/second-factor/`: an owner may ask for more, not for less."""

    needs = changes = "policy:write"
    section = "second-factor"

    def more(self) -> list[str]:
        return []

    def back(self) -> str:
        return self.url("index")

    def gone_on(self) -> HttpResponse:
        return self.to("second-factor")
