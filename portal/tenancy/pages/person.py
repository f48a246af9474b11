"""One person: what they are, their role, inviting, disabling and enabling them."""

from typing import Any, Final

from django import forms
from django.db.models import Exists, OuterRef
from django.http import HttpResponse

from audit.ledger.events import Event
from audit.ledger.target import Target
from portal.core.clock import now
from portal.core.mail import configured
from portal.core.models import Mail
from portal.tenancy.models import (
    ExternalIdentity,
    Invitation,
    Membership,
    Person,
    RecoveryCode,
    Session,
    Totp,
)
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.once import AlreadySent, once_only, token
from portal.tenancy.pages.page import Page
from portal.tenancy.pages.people import ROLES
from portal.tenancy.pages.turning import TurnPage, Why
from portal.tenancy.pages.writing import WritingPage, history, tell
from portal.tenancy.people import change_platform_role, disable_person, enable_person
from portal.tenancy.permission import found
from portal.tenancy.signing_in.inviting import invite_person
from portal.tenancy.sso.provider import platform_provider

SHOWN: Final = 50
"""Memberships on a person's page."""
NAMED: Final = 5
"""Tenants that a sentence names."""


class PersonPage(Page):
    """`/admin/people/<id>/`."""

    needs = "people:read"
    section = "people"
    template = "tenancy/person.html"

    def context(self) -> dict[str, Any]:
        person = found(Person.objects.all(), self.kwargs["id"])
        members = Membership.objects.filter(person=person).select_related("tenant")
        return {
            "person": person,
            "members": list(members.order_by("-is_active", "tenant__name", "id")[:SHOWN]),
            "member_count": members.count(),
            "has_app": Totp.objects.filter(user=person).exists(),
            "codes": RecoveryCode.objects.filter(person=person, used_at=None).count(),
            "sessions": Session.objects.filter(person=person, expires_at__gt=now()).count(),
            "invitation": Invitation.objects.filter(
                person=person, used_at=None, expires_at__gt=now()
            ).first(),
            "identities": list(ExternalIdentity.objects.filter(person=person).order_by("issuer")),
            "sso": platform_provider(),
            "history": history(person.id),
            "may_write": self.may("tenants:write"),
        }


class OfPerson(WritingPage):
    """A page that changes one person."""

    needs = "people:read"
    changes = "tenants:write"
    section = "people"

    def find(self, **kwargs: Any) -> None:
        self.person = found(Person.objects.all(), kwargs["id"])

    def aim(self) -> tuple[Target, str | None]:
        return Target("person", self.person.id, self.person.name), None

    def context(self) -> dict[str, Any]:
        return {**super().context(), "person": self.person}


class RoleForm(Why):
    """Another platform role, and why."""

    role = forms.CharField(
        label="Platform role", required=False, widget=forms.Select(choices=ROLES)
    )
    field_order = ("role", "reason")


class PersonRole(OfPerson):
    """`/admin/people/<id>/role/`."""

    template = "tenancy/person_role.html"
    decides = Event.PERSON_ROLE_CHANGED
    form_class = RoleForm

    def initial(self) -> dict[str, Any]:
        return {"role": self.person.platform_role}

    def context(self) -> dict[str, Any]:
        person = found(Person.objects.all(), self.person.id)
        return {**super().context(), "person": person, "was": person.platform_role}

    def act(self, form: Form) -> HttpResponse:
        person = change_platform_role(
            actor=self.actor, person_id=self.person.id, role=form.cleaned_data["role"],
            reason=form.cleaned_data["reason"], expected_role=self.typed("was"),
        )  # fmt: skip
        role = person.get_platform_role_display() if person.platform_role else "no platform role"
        tell(self.request, f"{person.name}: {role.lower()}, from their next request on.")
        return self.to("person", person.id)


class InvitePerson(OfPerson):
    """`/admin/people/<id>/invite/`."""

    template = "tenancy/person_invite.html"
    form_class = Form

    def context(self) -> dict[str, Any]:
        has_app = Totp.objects.filter(user=self.person).exists()
        told = {"has_app": has_app, "mail": configured(), "once": token(self.request)}
        return {**super().context(), **told}

    def act(self, form: Form) -> HttpResponse:
        try:
            with once_only(self.request):
                invite_person(actor=self.actor, person_id=self.person.id)
        except AlreadySent:
            tell(self.request, "This form was sent before. No second link was made.")
            return self.to("person", self.person.id)
        if configured():
            tell(self.request, f"A mail with the link is on its way to {self.person.email}.")
            return self.to("person", self.person.id)
        tell(self.request, "The mail with the link stands here: hand it over yourself.")
        about = Mail.objects.filter(about=self.person.id)
        return self.to("mail", self.seen(lambda: about.latest("created_at").id))


def owned_alone(person: Person) -> str:
    """The tenants that have no other active owner, in words; empty if there are none."""
    owners = Membership.objects.filter(
        role=Membership.Role.OWNER, is_active=True, person__is_active=True
    )
    others = owners.filter(tenant=OuterRef("tenant_id")).exclude(person=person)
    alone = owners.filter(~Exists(others), person=person).order_by("tenant__name")
    names = list(alone.values_list("tenant__name", flat=True)[: NAMED + 1])
    return ", ".join(names[:NAMED]) + (" and others" if len(names) > NAMED else "")


class TurnPerson(TurnPage):
    """A page that turns a person."""

    needs = "people:read"
    section = "people"

    def find(self, **kwargs: Any) -> None:
        self.person = found(Person.objects.all(), kwargs["id"])

    def aim(self) -> tuple[Target, str | None]:
        return Target("person", self.person.id, self.person.name), None

    def named(self) -> str:
        return self.person.name

    def back(self) -> str:
        return self.url("person", self.person.id)


class DisablePerson(TurnPerson):
    """`/admin/people/<id>/disable/`."""

    heading = "Disable {}?"
    price = "Every request with a key that they own will fail with OWNER_DISABLED, in every tenant."
    words = (
        "They are signed out everywhere, and their management tokens are refused.",
        "Open invitations of theirs end. They can be enabled again.",
    )
    button = "Disable person"
    keep = "Keep person"
    already = "{} is disabled already."

    def turned(self) -> bool:
        return not self.person.is_active

    def more(self) -> list[str]:
        told = ["This is you: you are signed out at once."] * (self.person.id == self.actor.id)
        alone = owned_alone(self.person)
        if alone:
            told.append(f"Nobody else owns {alone}.")
        return told

    def act(self, form: Form) -> HttpResponse:
        done = disable_person(
            actor=self.actor, person_id=self.person.id, reason=form.cleaned_data["reason"]
        )
        tell(self.request, self.done("{} is disabled."), done)
        return self.to("person", self.person.id)


class EnablePerson(TurnPerson):
    """`/admin/people/<id>/enable/`."""

    heading = "Enable {} again?"
    price = "They may sign in again, and the keys that they own work again."
    words = ("Password and second factor are as they were.",)
    button = "Enable person"
    keep = "Leave it as it is"
    danger = False
    already = "{} is active already."

    def turned(self) -> bool:
        return self.person.is_active

    def act(self, form: Form) -> HttpResponse:
        done = enable_person(
            actor=self.actor, person_id=self.person.id, reason=form.cleaned_data["reason"]
        )
        tell(self.request, self.done("{} is enabled again."), done)
        return self.to("person", self.person.id)
