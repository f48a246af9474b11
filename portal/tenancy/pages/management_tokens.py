"""Management tokens of a tenant: the list, making one, revoking one."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpResponse

from audit.ledger.target import Target
from portal.core import configuration, tokens
from portal.core.clock import UTC, now
from portal.core.refusals import Faults, Refusal
from portal.tenancy.management_tokens import (
    IssuedToken,
    create_management_token,
    revoke_management_token,
)
from portal.tenancy.models import ManagementToken, Membership, Tenant
from portal.tenancy.pages.api import Why
from portal.tenancy.pages.boxes import Ticked
from portal.tenancy.pages.forms import STATUS, Form
from portal.tenancy.pages.list_page import ListPage
from portal.tenancy.pages.lists import Column, Filter, Listing
from portal.tenancy.pages.once import AlreadySent, once_only, token
from portal.tenancy.pages.writing import WritingPage, tell
from portal.tenancy.permission import found
from portal.tenancy.roles import ACTIONS, MANAGEMENT_SCOPES

PEOPLE: Final = 200
"""Members that a select offers; of more, the mail address is typed."""
AREAS: Final = sorted({scope.partition(":")[0] for scope in MANAGEMENT_SCOPES})
PRESETS: Final = (
    ("90", "In 90 days"), ("30", "In 30 days"), ("365", "In a year"), ("never", "No expiry"),
    ("on", "On the day below"),
)  # fmt: skip
STATUS_FILTER: Final = Filter(
    "status", "Status",
    [("", "Any status"), ("active", "Active"), ("expired", "Expired"), ("revoked", "Revoked")],
)  # fmt: skip


def tenant_of(slug: str) -> Tenant:
    """The tenant of this slug, or id; raises Refusal NOT_FOUND. Inside the scope."""
    tenant = Tenant.objects.filter(Q(slug=slug) | Q(id=slug)).first()  # no slug has a `_`
    if tenant is None:
        raise Refusal("NOT_FOUND")
    return tenant


class Tokens(ListPage):
    """`/admin/tenants/<slug>/tokens/`."""

    needs = "tenants:read"
    section = "tenants"
    template = "tenancy/tokens.html"
    file = "management-tokens"
    noun = "management tokens"
    writes = "tenants:write"
    columns = {
        "id": lambda row: row.id,
        "name": lambda row: row.name,
        "public_id": lambda row: row.kid,
        "member": lambda row: row.creator.person.name,
        "role": lambda row: row.creator.role,
        "scopes": lambda row: row.scopes,
        "created_at": lambda row: row.created_at,
        "last_used_at": lambda row: row.last_used_at,
        "expires_at": lambda row: row.expires_at,
        "revoked_at": lambda row: row.revoked_at,
    }

    def find(self, **kwargs: Any) -> None:
        self.tenant = tenant_of(kwargs["slug"])

    def listing(self) -> Listing:
        return Listing(
            self.request.GET,
            filters=[STATUS_FILTER],
            columns=[
                Column("created", ["-created_at", "-id"]),
                Column("name", ["name", "id"]),
                Column("expires", ["expires_at", "id"]),
            ],
            searched="Name, member, id or csm_live_7Kq2…",
        )

    def chosen(self, listing: Listing) -> QuerySet[ManagementToken]:
        rows = ManagementToken.objects.filter(tenant=self.tenant).select_related("creator__person")
        over = Q(expires_at__lte=now())
        status = {
            "": Q(), "revoked": Q(revoked_at__isnull=False),
            "expired": Q(revoked_at=None) & over, "active": Q(revoked_at=None) & ~over,
        }  # fmt: skip
        rows = rows.filter(status[listing.chosen["status"]])
        if not listing.q:
            return rows
        text = listing.q.removesuffix("…").removesuffix("...")
        kid = text.removeprefix(f"{tokens.MANAGEMENT}_live_")
        return rows.filter(
            Q(name__icontains=text) | Q(id=text) | Q(kid__startswith=kid)
            | Q(creator__person__name__icontains=text)
        )  # fmt: skip

    def any(self) -> bool:
        return ManagementToken.objects.filter(tenant=self.tenant).exists()

    def context(self) -> dict[str, Any]:
        return {
            **super().context(), "tenant": self.tenant, "now": now(),
            "base_url": configuration.BASE_URL().rstrip("/"),
        }  # fmt: skip


class TokenForm(Form):
    """For whom, what, and until when."""

    name = forms.CharField(label="Name", required=False, help_text="What it is for, such as CI.")
    creator = forms.CharField(label="Acts for", required=False)
    scopes = Ticked()
    expiry = forms.CharField(label="Expires", required=False, widget=forms.Select(choices=PRESETS))
    expires_on = forms.CharField(
        label="Day, from 00:00 UTC", required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )  # fmt: skip

    def __init__(self, *args: Any, members: list[Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["creator"]
        field.help_text = "It may never do more than this member may, and dies when they leave."
        if len(members) <= PEOPLE:
            people = [(m.id, f"{m.person.name}, {m.get_role_display().lower()}") for m in members]
            field.widget = forms.Select(choices=[("", "Choose a member"), *people])
        else:
            field.label = "Acts for: mail address"

    def boxes(self) -> list[tuple[str, list[tuple[str, bool]]]]:
        """The scopes by area: reading, and writing where there is any."""
        ticked = self["scopes"].value() or []
        return [
            (area, [(s, s in ticked) for s in (f"{area}:read", f"{area}:write")
                    if s in MANAGEMENT_SCOPES])
            for area in AREAS
        ]  # fmt: skip

    def expires_at(self) -> dt.datetime | None:
        """The end that was chosen; raises ValueError for a day that is none."""
        choice, day = self.cleaned_data["expiry"], self.cleaned_data["expires_on"]
        if choice == "on":
            return dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), UTC)
        if choice == "never":
            return None
        return now().replace(microsecond=0) + dt.timedelta(days=int(choice))

    def faults(self) -> Faults:
        """What only a form can get wrong."""
        faults, typed = Faults(), self.cleaned_data
        if not typed["creator"]:
            faults.add("/creator", "Choose the member for whom it acts.")
        if not typed["scopes"]:
            faults.add("/scopes", "Choose what it may do: one scope at least.")
        if typed["expiry"] not in dict(PRESETS):
            faults.add("/expiry", "Choose when it ends.")
        elif typed["expiry"] != "on" and typed["expires_on"]:
            faults.add("/expiry", "A day is given: choose “On the day below”, or take it out.")
        else:
            try:
                self.expires_at()
            except ValueError:
                faults.add("/expires_on", "A day is needed, such as 2027-05-01.")
        return faults

    def blame(self, refusal: Refusal) -> None:
        """As every form; the end stands beside the day that was typed."""
        day = "/expires_on" if self.cleaned_data.get("expiry") == "on" else "/expiry"
        errors: list[Mapping[str, str]] = [
            {**e, "pointer": day} if e["pointer"] == "/expires_at" else e for e in refusal.errors
        ]
        super().blame(Refusal(refusal.code, refusal.detail, errors))


class OfTenant(WritingPage):
    """A page that changes a tenant's tokens."""

    needs = "tenants:read"
    changes = "tenants:write"
    section = "tenants"

    def find(self, **kwargs: Any) -> None:
        self.tenant = tenant_of(kwargs["slug"])

    def aim(self) -> tuple[Target, str | None]:
        return Target("tenant", self.tenant.id, self.tenant.slug), self.tenant.id

    def context(self) -> dict[str, Any]:
        return {**super().context(), "tenant": self.tenant}


class NewToken(OfTenant):
    """`/admin/tenants/<slug>/tokens/new/`."""

    template = "tenancy/token_new.html"

    def find(self, **kwargs: Any) -> None:
        super().find(**kwargs)
        members = Membership.objects.filter(
            tenant=self.tenant, is_active=True, person__is_active=True
        )
        rows = members.select_related("person").order_by("person__name", "id")
        self.members = list(rows[: PEOPLE + 1])

    def form(self, data: Any = None) -> Form:
        return TokenForm(data, members=self.members)

    def context(self) -> dict[str, Any]:
        return {**super().context(), "once": token(self.request), "members": self.members}

    def act(self, form: Form) -> HttpResponse:
        assert isinstance(form, TokenForm)
        form.faults().settle()
        creator_id = self.seen(lambda: self.member(form.cleaned_data["creator"]))
        try:
            with once_only(self.request):
                issued = create_management_token(
                    actor=self.actor, tenant_id=self.tenant.id, creator_id=creator_id,
                    name=form.cleaned_data["name"], scopes=form.cleaned_data["scopes"],
                    expires_at=form.expires_at(),
                )  # fmt: skip
        except AlreadySent as sent:
            return self.created(sent.made)
        return self.issued(issued)

    def member(self, typed: str) -> str:
        """The membership that was chosen or whose address was typed. Inside the scope."""
        rows = Membership.objects.filter(tenant=self.tenant)
        member = rows.filter(Q(id=typed) | Q(person__email=typed.lower())).first()
        if member is None:
            detail = "There is no such member of this tenant."
            raise Refusal("REQUEST_INVALID", errors=[{"detail": detail, "pointer": "/creator"}])
        return member.id

    def issued(self, issued: IssuedToken) -> HttpResponse:
        """The page that shows the token, this once."""
        return self.created(issued.token.id, issued.secret.reveal())

    def created(self, made: str, secret: str = "") -> HttpResponse:
        """What was made; without a secret, for a form that was sent before."""
        rows = ManagementToken.objects.select_related("creator__person")
        row = self.seen(lambda: found(rows.filter(tenant=self.tenant), made))
        may = ACTIONS[row.creator.role]
        told = {
            "token": row, "secret": secret, "idle": [s for s in row.scopes if s not in may],
            "base_url": configuration.BASE_URL().rstrip("/"),
        }  # fmt: skip
        return self.show(told, template="tenancy/token_created.html")

    def refused(self, form: Form, refusal: Refusal) -> HttpResponse:
        return self.show({"form": form}, status=STATUS.get(refusal.code, 400))


class RevokeToken(OfTenant):
    """`/admin/tenants/<slug>/tokens/<id>/revoke/`."""

    template = "tenancy/token_revoke.html"
    form_class = Why

    def find(self, **kwargs: Any) -> None:
        super().find(**kwargs)
        rows = ManagementToken.objects.filter(tenant=self.tenant)
        self.token = found(rows.select_related("creator__person"), kwargs["id"])

    def aim(self) -> tuple[Target, str | None]:
        return Target("management_token", self.token.id, self.token.name), self.tenant.id

    def context(self) -> dict[str, Any]:
        return {**super().context(), "token": self.token}

    def act(self, form: Form) -> HttpResponse:
        revoke_management_token(
            actor=self.actor, tenant_id=self.tenant.id, token_id=self.token.id,
            reason=form.cleaned_data["reason"],
        )  # fmt: skip
        words = f"{self.token.name} is revoked, for ever. Its very next request is refused."
        if self.token.revoked_at is not None:
            words = f"{self.token.name} was revoked already. Nothing was changed."
        tell(self.request, words)
        return self.to("tokens", self.tenant.slug)
