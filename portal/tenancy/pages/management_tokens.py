"""Management tokens of a tenant: the list, making one, revoking one."""

from typing import Any, Final

from django.db.models import Q, QuerySet
from django.http import HttpResponse

from audit.ledger.target import Target
from portal.core import configuration, tokens
from portal.core.clock import now
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.management_tokens import (
    IssuedToken,
    create_management_token,
    revoke_management_token,
)
from portal.tenancy.models import ManagementToken, Membership, Tenant
from portal.tenancy.pages.api import Why
from portal.tenancy.pages.forms import STATUS, Form
from portal.tenancy.pages.list_page import ListPage
from portal.tenancy.pages.lists import Column, Filter, Listing
from portal.tenancy.pages.once import AlreadySent, once_only, token
from portal.tenancy.pages.token_form import PEOPLE, TokenForm
from portal.tenancy.pages.writing import WritingPage, tell
from portal.tenancy.permission import found
from portal.tenancy.roles import ACTIONS, MANAGEMENT_SCOPES

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


def sees_all(actor: Actor) -> bool:
    """Whether everyone's tokens are the actor's to see, and not only their own."""
    return actor.may("tokens:read")


def seen_by(actor: Actor, tenant: Tenant) -> QuerySet[ManagementToken]:
    """The tenant's tokens that are the actor's to see. Inside the scope."""
    rows = ManagementToken.objects.filter(tenant=tenant)
    return rows if sees_all(actor) else rows.filter(creator_id=actor.membership_id)


class Tokens(ListPage):
    """`/admin/tenants/<slug>/tokens/`."""

    needs = "tokens:read"
    section = "tenants"
    template = "tenancy/tokens.html"
    file = "management-tokens"
    noun = "management tokens"
    writes = "tokens:write"
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
        rows = seen_by(self.actor, self.tenant).select_related("creator__person")
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
        return seen_by(self.actor, self.tenant).exists()

    def context(self) -> dict[str, Any]:
        return {
            **super().context(), "tenant": self.tenant, "now": now(), "all": sees_all(self.actor),
            "base_url": configuration.BASE_URL().rstrip("/"),
        }  # fmt: skip


class OfTenant(WritingPage):
    """A page that changes a tenant's tokens."""

    needs = "tokens:read"
    changes = "tokens:write"
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
        if not self.may("tokens:write"):
            members = members.filter(id=self.actor.membership_id)
        rows = members.select_related("person").order_by("person__name", "id")
        self.members = list(rows[: PEOPLE + 1])

    def form(self, data: Any = None) -> Form:
        offered = MANAGEMENT_SCOPES
        if not self.may("tokens:write"):
            offered &= self.actor.actions
        own = {"creator": self.actor.membership_id}
        return TokenForm(data, members=self.members, offered=offered, initial=own)

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
        if not self.may("tokens:write"):
            rows = rows.filter(id=self.actor.membership_id)
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
        rows = seen_by(self.actor, self.tenant)
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
