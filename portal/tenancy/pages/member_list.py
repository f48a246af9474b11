"""Everyone who is something in a tenant: the list."""

from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from portal.tenancy.models import ManagementToken, Membership, TenantInvitation
from portal.tenancy.pages.list_page import ListPage
from portal.tenancy.pages.lists import Column, Filter, Listing
from portal.tenancy.pages.management_tokens import tenant_of

ROLE: Final = Filter(
    "role", "Role",
    [("", "Any role"), ("owner", "Owner"), ("developer", "Developer"),
     ("privacy_officer", "Privacy officer"), ("viewer", "Viewer")],
)  # fmt: skip
STATUS: Final = Filter(
    "status", "Status", [("", "Any status"), ("active", "Active"), ("disabled", "Disabled")]
)


class Members(ListPage):
    """`/admin/tenants/<slug>/members/` and `/t/<slug>/members/`."""

    needs = "members:read"
    section = "tenants"
    template = "tenancy/members.html"
    file = "members"
    noun = "members"
    writes = "members:write"
    columns = {
        "id": lambda row: row.id,
        "name": lambda row: row.person.name,
        "email": lambda row: row.person.email,
        "role": lambda row: row.role,
        "is_active": lambda row: row.is_active and row.person.is_active,
        "created_at": lambda row: row.created_at,
        "last_sign_in_at": lambda row: row.person.last_sign_in_at,
    }

    def find(self, **kwargs: Any) -> None:
        self.tenant = tenant_of(kwargs["slug"])

    def listing(self) -> Listing:
        return Listing(
            self.request.GET,
            filters=[ROLE, STATUS],
            columns=[
                Column("name", ["person__name", "id"]),
                Column("joined", ["-created_at", "-id"]),
            ],
            searched="Name, e-mail or id",
        )

    def chosen(self, listing: Listing) -> QuerySet[Membership]:
        rows = Membership.objects.filter(tenant=self.tenant).select_related("person")
        if listing.q:
            named = Q(person__name__icontains=listing.q) | Q(person__email__icontains=listing.q)
            rows = rows.filter(named | Q(id=listing.q) | Q(person_id=listing.q))
        if listing.chosen["role"]:
            rows = rows.filter(role=listing.chosen["role"])
        active = Q(is_active=True, person__is_active=True)
        status = {"": Q(), "active": active, "disabled": ~active}
        living = ManagementToken.objects.filter(creator=OuterRef("pk"), revoked_at=None)
        rows = rows.annotate(has_tokens=Exists(living))
        return rows.filter(status[listing.chosen["status"]])

    def any(self) -> bool:
        return Membership.objects.filter(tenant=self.tenant).exists()

    def context(self) -> dict[str, Any]:
        told = {**super().context(), "tenant": self.tenant, "oneself": self.actor.membership_id}
        if told["may_write"]:
            # Addresses of who is no member yet are for who invites.
            open_ = TenantInvitation.objects.filter(tenant=self.tenant, expires_at__gt=Now())
            told["invited"] = open_.count()
        return told
