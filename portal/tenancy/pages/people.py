"""People: the list, and making one."""

from typing import Any, Final

from django import forms
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat, JSONObject
from django.http import HttpResponse

from audit.ledger.target import Target
from portal.tenancy.models import Membership, Person, Totp
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.list_page import ListPage, tenant_filter
from portal.tenancy.pages.lists import Column, Filter, Listing
from portal.tenancy.pages.once import AlreadySent, once_only, token
from portal.tenancy.pages.writing import WritingPage, tell
from portal.tenancy.people import create_person

ROLE: Final = Filter(
    "role", "Platform role",
    [("", "Any role"), ("security_admin", "Security admin"), ("auditor", "Auditor"),
     ("none", "No platform role")],
)  # fmt: skip
STATUS: Final = Filter(
    "status", "Status",
    [("", "Any status"), ("active", "Active"), ("waiting", "Not set up"),
     ("disabled", "Disabled")],
)  # fmt: skip
SHOWN: Final = 3
"""Tenants beside a person in the list."""
ROLES: Final = [
    ("", "None: a member of tenants"),
    ("auditor", "Auditor: reads everything"),
    ("security_admin", "Security admin: governs everything"),
]


class People(ListPage):
    """`/admin/people/`."""

    needs = "people:read"
    section = "people"
    template = "tenancy/people.html"
    file = "people"
    noun = "people"
    writes = "tenants:write"
    columns = {
        "id": lambda row: row.id,
        "name": lambda row: row.name,
        "email": lambda row: row.email,
        "platform_role": lambda row: row.platform_role,
        "is_active": lambda row: row.is_active,
        "second_factor": lambda row: row.has_app,
        "tenants": lambda row: row.held,
        "created_at": lambda row: row.created_at,
        "last_sign_in_at": lambda row: row.last_sign_in_at,
    }

    def listing(self) -> Listing:
        tenants, self.tenant = tenant_filter(self.request.GET.get("tenant", ""))
        return Listing(
            self.request.GET,
            filters=[ROLE, tenants, STATUS],
            columns=[
                Column("name", ["name", "id"]),
                Column("email", ["email"]),
                Column("created", ["created_at", "id"]),
            ],
            searched="Name, e-mail or id",
        )

    def chosen(self, listing: Listing) -> QuerySet[Person]:
        rows = Person.objects.annotate(has_app=Exists(Totp.objects.filter(user=OuterRef("id"))))
        if listing.q:
            rows = rows.filter(
                Q(name__icontains=listing.q) | Q(email__icontains=listing.q) | Q(id=listing.q)
            )
        if self.tenant is not None:
            theirs = Membership.objects.filter(tenant=self.tenant, person=OuterRef("id"))
            rows = rows.filter(Exists(theirs))
        if role := listing.chosen["role"]:
            rows = rows.filter(platform_role="" if role == "none" else role)
        status = {
            "": Q(), "disabled": Q(is_active=False), "active": Q(is_active=True, has_app=True),
            "waiting": Q(is_active=True, has_app=False),
        }  # fmt: skip
        return rows.filter(status[listing.chosen["status"]])

    def exported(self, rows: QuerySet[Person]) -> QuerySet[Person]:
        theirs = Membership.objects.filter(person=OuterRef("id"), is_active=True)
        held = theirs.order_by("tenant__slug").values(
            told=Concat("tenant__slug", Value(":"), "role")
        )
        return rows.annotate(held=ArraySubquery(held))

    def any(self) -> bool:
        return Person.objects.exists()

    def context(self) -> dict[str, Any]:
        told = super().context()
        theirs = Membership.objects.filter(person=OuterRef("id"), is_active=True)
        first = theirs.order_by("tenant__name", "id").values(
            told=JSONObject(slug="tenant__slug", name="tenant__name", role="role")
        )
        people = Person.objects.filter(id__in=[person.id for person in told["list"].rows])
        with_members = people.annotate(
            first=ArraySubquery(first[:SHOWN]),
            many=Count("membership", filter=Q(membership__is_active=True)),
        )
        members = {person.id: person for person in with_members}
        rows = [(person, members[person.id]) for person in told["list"].rows]
        roles = dict(Membership.Role.choices)
        return {**told, "rows": rows, "roles": roles}


class PersonForm(Form):
    """Who it is."""

    name = forms.CharField(label="Name", required=False)
    email = forms.CharField(
        label="E-mail", required=False, help_text="They sign in with it.",
        widget=forms.TextInput(attrs={"inputmode": "email"}),
    )  # fmt: skip
    platform_role = forms.CharField(
        label="Platform role", required=False, widget=forms.Select(choices=ROLES)
    )


class NewPerson(WritingPage):
    """`/admin/new/person/`."""

    needs = "people:read"
    changes = "tenants:write"
    section = "people"
    template = "tenancy/person_new.html"
    form_class = PersonForm

    def aim(self) -> tuple[Target, str | None]:
        return Target("platform", "people"), None

    def context(self) -> dict[str, Any]:
        return {**super().context(), "once": token(self.request)}

    def act(self, form: Form) -> HttpResponse:
        typed = form.cleaned_data
        try:
            with once_only(self.request):
                person = create_person(
                    actor=self.actor, email=typed["email"].strip(), name=typed["name"],
                    platform_role=typed["platform_role"],
                )  # fmt: skip
        except AlreadySent as sent:
            return self.to("person", sent.made)
        tell(self.request, f"{person.name} was created. Invite them, so that they can sign in.")
        return self.to("person", person.id)
