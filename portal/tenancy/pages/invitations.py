"""A tenant's invitations: the list, inviting someone, sending one again, withdrawing one."""

from typing import Any, Final

from django import forms
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpResponse, HttpResponseRedirect

from audit.ledger.target import Target
from portal.core.clock import now
from portal.core.mail import configured
from portal.core.refusals import Refusal
from portal.tenancy.invitations import (
    invite_member,
    send_invitation_again,
    target_of,
    withdraw_invitation,
)
from portal.tenancy.memberships import may_give
from portal.tenancy.models import TenantInvitation
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.list_page import ListPage
from portal.tenancy.pages.lists import Column, Filter, Listing
from portal.tenancy.pages.management_tokens import tenant_of
from portal.tenancy.pages.member_list import ROLE
from portal.tenancy.pages.members import ROLES, ForTenant
from portal.tenancy.pages.once import AlreadySent, once_only, token
from portal.tenancy.pages.turning import TurnPage
from portal.tenancy.pages.writing import tell
from portal.tenancy.permission import found
from portal.tenancy.signing_in.throttling import Wait

STATE: Final = Filter(
    "state", "State", [("", "Any state"), ("open", "Open"), ("ended", "Ended")]
)  # fmt: skip


class Invitations(ListPage):
    """`/t/<slug>/invitations/`: for who may invite, for it names who is no member yet."""

    needs = "members:write"
    section = "members"
    template = "tenancy/invitations.html"
    file = "invitations"
    noun = "invitations"
    writes = "members:write"
    columns = {
        "id": lambda row: row.id,
        "email": lambda row: row.email,
        "role": lambda row: row.role,
        "invited_by": lambda row: row.inviter.person.name if row.inviter else "",
        "sent_at": lambda row: row.sent_at,
        "expires_at": lambda row: row.expires_at,
    }

    def find(self, **kwargs: Any) -> None:
        self.tenant = tenant_of(kwargs["slug"])

    def listing(self) -> Listing:
        return Listing(
            self.request.GET,
            filters=[ROLE, STATE],
            columns=[
                Column("sent", ["-sent_at", "-id"]),
                Column("email", ["email", "id"]),
                Column("expires", ["expires_at", "id"]),
            ],
            searched="E-mail or id",
        )

    def chosen(self, listing: Listing) -> QuerySet[TenantInvitation]:
        rows = TenantInvitation.objects.filter(tenant=self.tenant)
        if listing.q:
            rows = rows.filter(Q(email__icontains=listing.q) | Q(id=listing.q))
        if listing.chosen["role"]:
            rows = rows.filter(role=listing.chosen["role"])
        state = {"": Q(), "open": Q(expires_at__gt=Now()), "ended": Q(expires_at__lte=Now())}
        return rows.filter(state[listing.chosen["state"]]).select_related("inviter__person")

    def any(self) -> bool:
        return TenantInvitation.objects.filter(tenant=self.tenant).exists()

    def context(self) -> dict[str, Any]:
        return {**super().context(), "tenant": self.tenant, "now": now()}


class InviteForm(Form):
    """Whom, as what."""

    email = forms.CharField(
        label="E-mail", required=False, help_text="They need no account yet.",
        widget=forms.TextInput(attrs={"inputmode": "email", "autocomplete": "off"}),
    )  # fmt: skip
    role = forms.CharField(label="Role", required=False, widget=forms.Select(choices=ROLES))


class Invite(ForTenant):
    """`/t/<slug>/members/invite/`."""

    needs = "members:read"
    changes = "members:write"
    section = "members"
    template = "tenancy/invite.html"
    form_class = InviteForm

    def form(self, data: Any = None) -> Form:
        form = super().form(data)
        offered = [(role, words) for role, words in ROLES if may_give(self.actor, role)]
        form.fields["role"].widget = forms.Select(choices=offered)
        return form

    def context(self) -> dict[str, Any]:
        told = {"tenant": self.tenant, "once": token(self.request), "mail": configured()}
        return {**super().context(), **told}

    def act(self, form: Form) -> HttpResponse:
        typed = form.cleaned_data
        try:
            with once_only(self.request):
                invitation = invite_member(
                    actor=self.actor, tenant_id=self.tenant.id, email=typed["email"].strip(),
                    role=typed["role"],
                )  # fmt: skip
        except AlreadySent:
            tell(self.request, "This form was sent before. No second invitation was made.")
            return self.to("invitations")
        tell(self.request, f"{invitation.email} is invited. {sent_words()}")
        return self.to("invitations")

    def refused(self, form: Form, refusal: Refusal) -> HttpResponse:
        return waiting(super().refused(form, refusal), refusal)


def sent_words() -> str:
    """What becomes of the mail. Nobody of the tenant is shown the link: it is the address'."""
    if configured():
        return "A mail with the link is on its way."
    return (
        "No mail server is set up here: who has an account sees it once signed in; everyone else"
        " is handed the link by the platform's administrators."
    )


def waiting(response: HttpResponse, refusal: Refusal) -> HttpResponse:
    """The answer, with when to try again if there were too many."""
    if isinstance(refusal, Wait):
        response["Retry-After"] = str(refusal.seconds)
    return response


class OfInvitation(TurnPage):
    """A page about one invitation. It takes no reason: nothing that anybody has is taken."""

    needs = "members:write"
    changes = "members:write"
    section = "members"
    form_class = Form
    already = ""

    def find(self, **kwargs: Any) -> None:
        self.tenant = tenant_of(kwargs["slug"])
        rows = TenantInvitation.objects.filter(tenant=self.tenant)
        self.invitation = found(rows, kwargs["id"])

    def aim(self) -> tuple[Target, str | None]:
        return target_of(self.invitation), self.tenant.id

    def turned(self) -> bool:
        return False

    def named(self) -> str:
        return self.invitation.email

    def back(self) -> str:
        return self.url("invitations")

    def verb(self) -> dict[str, Any]:
        """What both verbs are told."""
        return {
            "actor": self.actor, "tenant_id": self.tenant.id,
            "invitation_id": self.invitation.id,
        }  # fmt: skip


class SendAgain(OfInvitation):
    """`/t/<slug>/invitations/<id>/again/`."""

    heading = "Invite {} again?"
    price = "Another mail with another link, for seven days from now."
    words = ("The link of the older mail works no more.", "You answer for it from then on.")
    button = "Send again"
    keep = "Leave it"
    danger = False

    def act(self, form: Form) -> HttpResponse:
        send_invitation_again(**self.verb())
        tell(self.request, f"{self.invitation.email} is invited again. {sent_words()}")
        return HttpResponseRedirect(self.back())

    def refused(self, form: Form, refusal: Refusal) -> HttpResponse:
        return waiting(super().refused(form, refusal), refusal)


class Withdraw(OfInvitation):
    """`/t/<slug>/invitations/<id>/withdraw/`."""

    heading = "Withdraw the invitation of {}?"
    price = "The link in their mail will work no more."
    words = ("They are told nothing. They can be invited again.",)
    button = "Withdraw invitation"
    keep = "Keep invitation"

    def act(self, form: Form) -> HttpResponse:
        withdraw_invitation(**self.verb())
        tell(self.request, f"The invitation of {self.invitation.email} is withdrawn.")
        return HttpResponseRedirect(self.back())
