"""Accepting a tenant's invitation. GET shows, POST does it.

`/join/<token>` is what the mail holds. Who has no sign-in yet makes one there, on the page on which
everyone sets theirs up; who has one goes on to `/invitations/<id>/`, signed in. The token stays
behind: it is in no redirect and in no session.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.views import View

from portal.tenancy.actors import Actor
from portal.tenancy.models import Membership, Person, Tenant, TenantInvitation
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.security import OwnForm
from portal.tenancy.pages.set_up import Opened, SetUp, SetUpForm
from portal.tenancy.pages.writing import tell
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.joining import (
    WHY,
    invited,
    is_new,
    join,
    join_anew,
    offer_to,
    opened,
)
from portal.tenancy.signing_in.setting_up import Chosen


@dataclass(frozen=True)
class Offer:
    """An invitation as the set-up page shows it."""

    id: str
    person: Person
    expires_at: dt.datetime
    tenant: Tenant
    role: str
    by: str


def offer_of(invitation: TenantInvitation, person: Person) -> Offer:
    """What is offered to `person`, in words."""
    inviter = invitation.inviter
    return Offer(
        invitation.id, person, invitation.expires_at, invitation.tenant,
        str(Membership.Role(invitation.role).label).lower(),
        inviter.person.name if inviter else "Countersign",
    )  # fmt: skip


class Join(View):
    """`/join/<token>`: whose it is decides which page it leads to."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """What does not open anything is a dead link, whoever asks."""
        with platform_scope(WHY):
            invitation = opened(kwargs["token"])
        if invitation is not None and not is_new(invited(invitation.email)):
            return HttpResponseRedirect(reverse("invitation", args=[invitation.id]))
        return JoinAnew.as_view()(request, **kwargs)


class JoinAnew(SetUp):
    """The set-up page of who is invited by a tenant. What they are called is theirs to say."""

    typed: SetUpForm

    def invitation(self, token: str) -> Opened | None:
        with platform_scope(WHY):
            invitation = opened(token)
            if invitation is None:
                return None
            return offer_of(invitation, invited(invitation.email))

    def form(self, invitation: Opened, data: Any = None) -> SetUpForm:
        self.typed = super().form(invitation, data)
        assert invitation.person is not None
        self.typed.fields["name"].disabled = bool(invitation.person.name)
        return self.typed

    def accept(self, *, visitor: Actor, token: str, chosen: Chosen) -> Person:
        name = self.typed.cleaned_data["name"]
        return join_anew(visitor=visitor, token=token, name=name, chosen=chosen)


class Accept(OwnForm):
    """`/invitations/<id>/`: for who is signed in with the address that was invited."""

    section = "choice"
    template = "tenancy/join.html"
    form_class = Form

    def context(self) -> dict[str, Any]:
        return {**super().context(), "offer": offer_of(self.offered, self.person)}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.offered = offer_to(self.person, kwargs["id"])
        return self.show()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.offered = offer_to(self.person, kwargs["id"])
        return super().post(request, *args, **kwargs)

    def act(self, form: Form) -> HttpResponse:
        tenant = self.offered.tenant
        join(actor=self.actor, person=self.person, invitation_id=self.offered.id)
        tell(self.request, f"You are a member of {tenant.name} now.")
        return HttpResponseRedirect(reverse("tenant:index", args=[tenant.slug]))
