"""Who a person is at providers: inviting them to the platform's, and untying them from one."""

from typing import Any, ClassVar

from django.http import HttpResponse

from portal.core.refusals import Refusal
from portal.tenancy.models import ExternalIdentity
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.person import OfPerson
from portal.tenancy.pages.turning import Why
from portal.tenancy.pages.writing import tell
from portal.tenancy.permission import found
from portal.tenancy.sso.linking import invite_to_link, unlink_identity
from portal.tenancy.sso.provider import platform_provider


class PersonSso(OfPerson):
    """One question about a person and a provider."""

    template = "tenancy/person_sso.html"
    price: ClassVar[str]
    button: ClassVar[str]
    danger: ClassVar[bool] = False

    def title(self) -> str:
        """The page's question."""
        raise NotImplementedError


class InviteToLink(PersonSso):
    """`/admin/people/<id>/sso/`."""

    form_class = Form
    price = "They tie the account that they have here to the provider’s themselves."
    button = "Invite"

    def find(self, **kwargs: Any) -> None:
        super().find(**kwargs)
        provider = platform_provider()
        if provider is None:
            raise Refusal("NOT_FOUND")
        self.provider = provider

    def title(self) -> str:
        return f"Invite {self.person.name} to sign in through {self.provider.name}?"

    def act(self, form: Form) -> HttpResponse:
        invite_to_link(actor=self.actor, provider=self.provider, person_id=self.person.id)
        tell(self.request, f"{self.person.name} is invited, for seven days.")
        return self.to("person", self.person.id)


class UnlinkIdentity(PersonSso):
    """`/admin/people/<id>/sso/<identity>/unlink/`."""

    form_class = Why
    price = "Whoever signs in to that account is nobody here any more."
    button, danger = "Untie", True

    def find(self, **kwargs: Any) -> None:
        super().find(**kwargs)
        rows = ExternalIdentity.objects.filter(person=self.person)
        self.identity = found(rows, kwargs["identity"])

    def title(self) -> str:
        return f"Untie {self.person.name}?"

    def context(self) -> dict[str, Any]:
        return {**super().context(), "identity": self.identity}

    def act(self, form: Form) -> HttpResponse:
        unlink_identity(
            actor=self.actor, person_id=self.person.id, identity_id=self.identity.id,
            reason=form.cleaned_data["reason"],
        )  # fmt: skip
        tell(self.request, f"{self.person.name} is untied.")
        return self.to("person", self.person.id)
