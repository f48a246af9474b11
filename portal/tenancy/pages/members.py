"""Who is in a tenant: adding someone, another role, leaving and coming back."""

from typing import Any, Final

from django import forms
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from audit.ledger.events import Event
from audit.ledger.target import Target
from portal.core.refusals import refuse
from portal.tenancy.memberships import (
    add_member,
    change_role,
    disable_membership,
    enable_membership,
)
from portal.tenancy.models import Membership, Person
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.management_tokens import tenant_of
from portal.tenancy.pages.once import AlreadySent, once_only, token
from portal.tenancy.pages.page import Page
from portal.tenancy.pages.turning import TurnPage
from portal.tenancy.pages.writing import WritingPage, tell
from portal.tenancy.permission import found
from portal.tenancy.signing_in.backend import person_by

ROLES: Final = [
    ("owner", "Owner: everything of the tenant"),
    ("developer", "Developer: keys, usage"),
    ("privacy_officer", "Privacy officer: consent and retention; reads keys"),
    ("viewer", "Viewer: reads"),
]


class MemberForm(Form):
    """Who, as what."""

    email = forms.CharField(label="E-mail", required=False, help_text="Of someone in People.")
    role = forms.CharField(label="Role", required=False, widget=forms.Select(choices=ROLES))


def home_of_members(page: Page, slug: str) -> str:
    """Where a tenant's members are shown: on its page in the admin, on a page of its own here."""
    return page.url("members") if page.within else page.url("tenant", slug)


class RoleForm(Form):
    """As what."""

    role = forms.CharField(label="Role", required=False, widget=forms.Select(choices=ROLES))


class ForTenant(WritingPage):
    """A page that gives somebody a role in the tenant of its address."""

    def find(self, **kwargs: Any) -> None:
        self.tenant = tenant_of(kwargs["slug"])

    def aim(self) -> tuple[Target, str | None]:
        return Target("tenant", self.tenant.id, self.tenant.slug), self.tenant.id

    def initial(self) -> dict[str, Any]:
        return {"email": self.request.GET.get("email", "")[:254], "role": "developer"}


class AddMember(ForTenant):
    """`/admin/tenants/<slug>/members/new/`."""

    needs = "people:read"
    changes = "tenants:write"
    section = "tenants"
    template = "tenancy/member_new.html"
    form_class = MemberForm

    def context(self) -> dict[str, Any]:
        return {**super().context(), "tenant": self.tenant, "once": token(self.request)}

    def act(self, form: Form) -> HttpResponse:
        email = form.cleaned_data["email"].strip()
        person: Person | None = person_by(email=email) if email else None
        if person is None:
            refuse(
                "Nobody has this address. Create the person first." if email
                else "Whose address is it?", "/email",
            )  # fmt: skip
        try:
            with once_only(self.request):
                add_member(
                    actor=self.actor, tenant_id=self.tenant.id, person_id=person.id,
                    role=form.cleaned_data["role"],
                )  # fmt: skip
        except AlreadySent:
            return self.to("tenant", self.tenant.slug)
        tell(self.request, f"{person.name} is a member of {self.tenant.name} now.")
        return self.to("tenant", self.tenant.slug)


def member_of(kwargs: dict[str, Any]) -> Membership:
    """The membership that an address names; raises Refusal NOT_FOUND. Inside the scope."""
    tenant = tenant_of(kwargs["slug"])
    rows = Membership.objects.filter(tenant=tenant).select_related("person", "tenant")
    return found(rows, kwargs["id"])


class ChangeMember(WritingPage):
    """`/admin/tenants/<slug>/members/<id>/role/`."""

    needs = "members:read"
    changes = "members:write"
    section = "tenants"
    template = "tenancy/member_role.html"
    decides = Event.MEMBERSHIP_CHANGED
    form_class = RoleForm

    def find(self, **kwargs: Any) -> None:
        self.member = member_of(kwargs)

    def aim(self) -> tuple[Target, str | None]:
        member = self.member
        return Target("membership", member.id, str(member)), member.tenant_id

    def initial(self) -> dict[str, Any]:
        return {"role": self.member.role}

    def context(self) -> dict[str, Any]:
        member = member_of(self.kwargs)
        return {**super().context(), "member": member, "tenant": member.tenant, "was": member.role}

    def act(self, form: Form) -> HttpResponse:
        member = change_role(
            actor=self.actor, tenant_id=self.member.tenant_id, membership_id=self.member.id,
            role=form.cleaned_data["role"], expected_role=self.typed("was"),
        )  # fmt: skip
        words = f"{self.member.person.name} is {member.get_role_display().lower()} now."
        tell(self.request, words)
        return HttpResponseRedirect(self.back())

    def back(self) -> str:
        """Where the members are."""
        return home_of_members(self, self.member.tenant.slug)


class OfMember(TurnPage):
    """A page that turns a membership."""

    needs = "members:read"
    changes = "members:write"
    section = "tenants"

    def find(self, **kwargs: Any) -> None:
        self.member = member_of(kwargs)

    def aim(self) -> tuple[Target, str | None]:
        return Target("membership", self.member.id, str(self.member)), self.member.tenant_id

    def named(self) -> str:
        return f"{self.member.person.name} in {self.member.tenant.name}"

    def back(self) -> str:
        return home_of_members(self, self.member.tenant.slug)

    def more(self) -> list[str]:
        return ["This is you: the tenant is closed to you at once."] * self.is_oneself()

    def is_oneself(self) -> bool:
        """Whether who acts is the member, on the tenant's own pages."""
        return self.member.id == self.actor.membership_id

    def verb(self) -> dict[str, Any]:
        """What both verbs are told."""
        return {
            "actor": self.actor, "tenant_id": self.member.tenant_id,
            "membership_id": self.member.id,
        }  # fmt: skip


class DisableMember(OfMember):
    """`/admin/tenants/<slug>/members/<id>/disable/`."""

    heading = "Disable {}?"
    price = "Every request with a key that they own there will fail with OWNER_DISABLED."
    words = (
        "Their management tokens there are refused from then on.",
        "What they are in other tenants stays. They can be enabled again.",
    )
    button = "Disable member"
    keep = "Keep member"
    already = "{} is disabled already."

    def turned(self) -> bool:
        return not self.member.is_active

    def act(self, form: Form) -> HttpResponse:
        done = disable_membership(**self.verb(), reason=form.cleaned_data["reason"])
        tell(self.request, self.done("{} is disabled."), done)
        return HttpResponseRedirect(reverse("choice") if self.is_oneself() else self.back())


class EnableMember(OfMember):
    """`/admin/tenants/<slug>/members/<id>/enable/`."""

    heading = "Enable {} again?"
    price = "The keys that they own there work again."
    words = ("They have the role that they had.",)
    button = "Enable member"
    keep = "Leave it as it is"
    danger = False
    already = "{} is active already."

    def turned(self) -> bool:
        return self.member.is_active

    def more(self) -> list[str]:
        if self.member.person.is_active:
            return []
        return ["The person is disabled in every tenant: they can do nothing until that ends."]

    def act(self, form: Form) -> HttpResponse:
        done = enable_membership(**self.verb(), reason=form.cleaned_data["reason"])
        tell(self.request, self.done("{} is enabled again."), done)
        return HttpResponseRedirect(self.back())
