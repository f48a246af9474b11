"""What is done about a tenant's provider, a page each: turning it, its domains, invitations."""

from typing import Any, ClassVar, Final

from django import forms
from django.http import HttpResponse

from audit.ledger.target import Target
from portal.core.refusals import refuse
from portal.tenancy.models import (
    ExternalIdentity,
    Membership,
    ProviderDomain,
)
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.provider import WritesSso
from portal.tenancy.pages.turning import Why
from portal.tenancy.pages.writing import tell
from portal.tenancy.permission import found
from portal.tenancy.sso.configuring import turn_provider_off, turn_provider_on
from portal.tenancy.sso.domains import (
    claim_domain,
    record_name,
    record_text,
    remove_domain,
    verify_domain,
)
from portal.tenancy.sso.linking import invite_to_link
from portal.tenancy.sso.provider import Provider, of_row

PEOPLE: Final = 200
"""Members that a select offers; of more, the mail address is typed."""


class Act(WritesSso):
    """A page with one question and one button."""

    template = "tenancy/sso_act.html"
    heading: ClassVar[str]
    price: ClassVar[str]
    words: ClassVar[tuple[str, ...]] = ()
    button: ClassVar[str]
    keep: ClassVar[str] = "Leave it as it is"
    danger: ClassVar[bool] = False

    def title(self) -> str:
        """The page's question."""
        return self.heading.format(self.named())

    def named(self) -> str:
        """What it is about."""
        assert self.provider is not None
        return self.provider.name

    def facts(self) -> list[tuple[str, str]]:
        """What has to be seen beside: names and texts to copy."""
        return []

    def context(self) -> dict[str, Any]:
        return {**super().context(), "facts": self.facts()}

    @property
    def whose(self) -> dict[str, Any]:
        """What every verb is told."""
        return {"actor": self.actor, "tenant_id": self.tenant.id}

    def current(self) -> Provider:
        """The provider as sign-in would have it, in force or not."""
        assert self.provider is not None
        return of_row(self.provider, self.tenant)


class TurnOn(Act):
    """`…/sso/on/`."""

    form_class = Why
    heading = "Turn {} on?"
    price = "Whoever it sends is who it says, in this tenant."
    words = (
        "It is asked who it is first: an issuer that does not answer is not turned on.",
        "People of its verified domains become members at their first sign-in.",
    )
    button = "Turn on"

    def act(self, form: Form) -> HttpResponse:
        turn_provider_on(**self.whose, provider=self.current(), reason=form.cleaned_data["reason"])
        tell(self.request, f"{self.named()} is on.")
        return self.to("sso")


class TurnOff(Act):
    """`…/sso/off/`."""

    form_class = Why
    heading = "Turn {} off?"
    price = "Nobody comes in through it any more, from the next request on."
    words = (
        "Who is signed in through it reaches nothing from their next request on.",
        "Who has no password of their own can't sign in until it is on again.",
    )
    button, keep, danger = "Turn off", "Keep it on", True

    def act(self, form: Form) -> HttpResponse:
        turn_provider_off(
            **self.whose, provider_id=self.provider_id, reason=form.cleaned_data["reason"]
        )
        tell(self.request, f"{self.named()} is off.")
        return self.to("sso")


class DomainForm(Form):
    """Which."""

    domain = forms.CharField(
        label="Domain", required=False, widget=forms.TextInput(attrs={"class": "mono"}),
        help_text="Of mail addresses, such as acme.example. Subdomains are domains of their own.",
    )  # fmt: skip


class ClaimDomain(Act):
    """`…/sso/domains/new/`."""

    form_class = DomainForm
    heading = "Add a domain to {}"
    price = "Whose people may become members at their first sign-in?"
    words = ("You are told a record for its DNS next: nothing comes of it before that is there.",)
    button, keep = "Add domain", "Add none"

    def act(self, form: Form) -> HttpResponse:
        claimed = claim_domain(
            **self.whose, provider_id=self.provider_id, domain=form.cleaned_data["domain"]
        )
        return self.to("sso-domain", claimed.id)


class OfDomain(Act):
    """A page about one domain."""

    domain: ProviderDomain
    form_class = Form

    def find(self, **kwargs: Any) -> None:
        super().find(**kwargs)
        self.domain = found(ProviderDomain.objects.filter(tenant=self.tenant), kwargs["id"])

    def aim(self) -> tuple[Target, str | None]:
        return Target("domain", self.domain.id, self.domain.domain), self.tenant.id

    def named(self) -> str:
        return self.domain.domain


class VerifyDomain(OfDomain):
    """`…/sso/domains/<id>/`."""

    heading = "Verify {}"
    price = "Put this record into its DNS, then have it looked at."
    words = (
        "It may take as long as your DNS keeps old answers.",
        "It is looked at this once. Leave it there: it says to others who asked for it.",
    )
    button, keep = "Verify domain", "Later"

    def facts(self) -> list[tuple[str, str]]:
        record = [("Name", record_name(self.domain)), ("Type", "TXT")]
        return [*record, ("Text", record_text(self.domain))]

    def act(self, form: Form) -> HttpResponse:
        verify_domain(**self.whose, domain_id=self.domain.id)
        tell(self.request, f"{self.domain.domain} is verified.")
        return self.to("sso")


class RemoveDomain(OfDomain):
    """`…/sso/domains/<id>/remove/`."""

    heading = "Remove {}?"
    price = "Nobody new of this domain becomes a member by signing in."
    words = ("Who came with it stays a member, and signs in as before.",)
    button, keep, danger = "Remove domain", "Keep domain", True

    def act(self, form: Form) -> HttpResponse:
        remove_domain(**self.whose, domain_id=self.domain.id)
        tell(self.request, f"{self.domain.domain} is removed.")
        return self.to("sso")


class InviteForm(Form):
    """Whom."""

    email = forms.CharField(label="E-mail of the member", required=False)

    def __init__(self, *args: Any, members: list[Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(members) <= PEOPLE:
            people = [(each.person.email, f"{each.person.name}, {each.person.email}")
                      for each in members]  # fmt: skip
            self.fields["email"].widget = forms.Select(choices=[("", "Choose one"), *people])
            self.fields["email"].label = "Member"


class Invite(Act):
    """`…/sso/invite/`."""

    heading = "Invite a member to sign in through {}"
    price = "Who was a member before has an account of their own: they tie the two themselves."
    words = (
        "A mail leads them there. They sign in as they always did, and give a code.",
        "It is open for seven days. Mail addresses alone never tie anybody to an account.",
    )
    button, keep = "Invite", "Invite nobody"

    def find(self, **kwargs: Any) -> None:
        super().find(**kwargs)
        assert self.provider is not None
        tied = ExternalIdentity.objects.filter(issuer=self.provider.issuer).values("person")
        rows = Membership.objects.filter(
            tenant=self.tenant, is_active=True, person__is_active=True
        ).exclude(person__in=tied)
        self.members = list(rows.select_related("person").order_by("person__name")[: PEOPLE + 1])

    def form(self, data: Any = None) -> Form:
        return InviteForm(data, members=self.members)

    def act(self, form: Form) -> HttpResponse:
        email = form.cleaned_data["email"].strip().lower()
        rows = Membership.objects.filter(tenant=self.tenant, person__email=email)
        member = self.seen(lambda: rows.select_related("person").first())
        if member is None:
            refuse("Choose a member of the tenant.", "/email")
        invite_to_link(actor=self.actor, provider=self.current(), person_id=member.person_id)
        tell(self.request, f"{member.person.name} is invited, for seven days.")
        return self.to("sso")
