"""A tenant's provider: what is set up, and changing that. Shared by admin and tenant pages."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.http import HttpResponse

from audit.ledger.target import Target
from portal.core import configuration
from portal.core.refusals import Refusal
from portal.tenancy.models import (
    DeprovisioningToken,
    ExternalIdentity,
    IdentityProvider,
    Membership,
    ProviderDomain,
    Tenant,
)
from portal.tenancy.pages.boxes import Tick
from portal.tenancy.pages.forms import Form, LinesField
from portal.tenancy.pages.management_tokens import tenant_of
from portal.tenancy.pages.page import Page
from portal.tenancy.pages.writing import WritingPage, history, tell
from portal.tenancy.sso.configuring import Definition, change_provider, create_provider
from portal.tenancy.sso.domains import record_name, record_text

SHOWN: Final = 50
ROLES: Final = [("", "None: they may not come in"), *Membership.Role.choices]
MISSING: Final = "Set a provider up first."


class OfSso(Page):
    """A page about a tenant's provider, below the tenant in the admin and in its own pages."""

    needs = "sso:read"
    section = "tenants"
    tenant: Tenant

    def url(self, name: str, *args: Any) -> str:
        """As every page; those of single sign-on are below their tenant."""
        if name.startswith("sso"):
            args = (self.tenant.slug, *args)
        return super().url(name, *args)


class ProviderPage(OfSso):
    """`…/sso/`: everything about it."""

    template = "tenancy/sso_provider.html"

    def context(self) -> dict[str, Any]:
        self.tenant = tenant_of(self.kwargs["slug"])
        provider = IdentityProvider.objects.filter(tenant=self.tenant).first()
        told = {"tenant": self.tenant, "provider": provider, "may_write": self.may("sso:write")}
        if provider is None:
            return told
        domains = ProviderDomain.objects.filter(provider=provider).order_by("domain")
        members = Membership.objects.filter(tenant=self.tenant, is_active=True)
        tied = ExternalIdentity.objects.filter(issuer=provider.issuer)
        base = configuration.BASE_URL().rstrip("/")
        return {
            **told,
            "domains": [(each, record_name(each), record_text(each)) for each in domains],
            "tokens": list(_living(provider).order_by("created_at")[:SHOWN]),
            "members": members.count(),
            "tied": members.filter(person__in=tied.values("person")).count(),
            "back": f"{base}/sso/back/{provider.id}",
            "door": f"{base}/sso/at/{self.tenant.slug}/",
            "base_url": base, "history": history(provider.id),
        }  # fmt: skip


def _living(provider: IdentityProvider) -> Any:
    return DeprovisioningToken.objects.filter(provider=provider, revoked_at=None)


class WritesSso(OfSso, WritingPage):
    """A page that changes something about it."""

    changes = "sso:write"
    wanted: ClassVar[bool] = True
    """Whether there has to be a provider."""
    provider: IdentityProvider | None

    def find(self, **kwargs: Any) -> None:
        self.tenant = tenant_of(kwargs["slug"])
        self.provider = IdentityProvider.objects.filter(tenant=self.tenant).first()
        if self.provider is None and self.wanted:
            raise Refusal("NOT_FOUND", MISSING)

    def aim(self) -> tuple[Target, str | None]:
        id, name = (self.provider.id, self.provider.name) if self.provider else ("new", "")
        return Target("identity_provider", id, name), self.tenant.id

    def context(self) -> dict[str, Any]:
        return {**super().context(), "tenant": self.tenant, "provider": self.provider}

    @property
    def provider_id(self) -> str:
        """Of the one that there has to be."""
        assert self.provider is not None
        return self.provider.id


class PairsField(LinesField):
    """`value = role`, one a line; the value may have a `=` of its own."""

    def clean(self, value: Any) -> Any:
        """Pairs, also of what is none: the verb says what is wrong."""
        pairs = [line.rpartition("=") for line in super().clean(value)]
        return [(value.strip(), role.strip()) for value, _, role in pairs]

    def prepare_value(self, value: Any) -> Any:
        """Pairs as their lines."""
        if isinstance(value, list | tuple):
            value = [" = ".join(pair) for pair in value]
        return super().prepare_value(value)


class ProviderForm(Form):
    """Everything that there is to say, called as the verb's members are."""

    name = forms.CharField(
        label="Name", required=False, help_text="On the button of its people: Acme’s Keycloak."
    )
    issuer = forms.CharField(
        label="Issuer", required=False, help_text="As the provider calls itself, to the letter.",
        widget=forms.TextInput(attrs={"class": "mono", "inputmode": "url"}),
    )  # fmt: skip
    client_id = forms.CharField(
        label="Client id", required=False, widget=forms.TextInput(attrs={"class": "mono"})
    )
    secret = forms.CharField(
        label="Client secret", required=False, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "class": "mono"}),
        help_text="Sealed, and never shown again. Left empty, the one that there is stays.",
    )  # fmt: skip
    public = Tick(label="A public client: it has no secret")
    scopes = LinesField(label="Scopes", help_text="One a line; openid is needed.")
    role_claim = forms.CharField(
        label="Claim that says roles", required=False,
        widget=forms.TextInput(attrs={"class": "mono"}),
        help_text="Such as groups; inside of another, as a pointer: /realm_access/roles."
        " Empty: roles are given here.",
    )  # fmt: skip
    role_map = PairsField(
        label="Roles by value", help_text="value = role, one a line; the first that matches counts."
    )
    default_role = forms.CharField(
        label="Role of everyone else", required=False, widget=forms.Select(choices=ROLES)
    )
    mfa_acr = LinesField(label="acr values that are a second factor", help_text="One a line.")
    mfa_amr = LinesField(
        label="amr values that are a second factor", help_text="One a line, such as mfa or otp."
    )
    trusts_email = Tick(
        label="Take its mail addresses without email_verified",
        help_text="Only if nobody but your own people can have an account there.",
    )
    enforced = Tick(
        label="Open the tenant’s pages only to who came through it",
        help_text="Security admins of the platform can always turn it off.",
    )

    def definition(self) -> Definition:
        """What was typed, for the verb."""
        typed = dict(self.cleaned_data)
        public, secret = typed.pop("public"), typed.pop("secret")
        lists = {name: tuple(typed[name]) for name in ("scopes", "mfa_acr", "mfa_amr", "role_map")}
        return Definition(**typed | lists, secret="" if public else secret or None)


class EditProvider(WritesSso):
    """`…/sso/edit/`: setting one up, and changing it."""

    template = "tenancy/sso_edit.html"
    form_class = ProviderForm
    wanted = False

    def initial(self) -> Mapping[str, Any]:
        if self.provider is None:
            return {"scopes": ["openid", "email", "profile"], "mfa_amr": ["mfa", "otp", "hwk"]}
        names = [name for name in ProviderForm.base_fields if name not in ("secret", "public")]
        told = {name: getattr(self.provider, name) for name in names}
        return {**told, "public": not self.provider.sealed_secret}

    def context(self) -> dict[str, Any]:
        version = self.provider.version if self.provider is not None else 0
        return {**super().context(), "version": version}

    def act(self, form: Form) -> HttpResponse:
        assert isinstance(form, ProviderForm)
        definition = form.definition()
        who: dict[str, Any] = {"actor": self.actor, "tenant_id": self.tenant.id}
        if self.provider is None:
            create_provider(**who, definition=definition)
            tell(self.request, f"{definition.name} is set up, and turned off.")
            return self.to("sso")
        was, version = self.provider.is_active, self.typed("version")
        provider = change_provider(
            **who, provider_id=self.provider.id, definition=definition,
            expected_version=int(version) if version.isdecimal() and len(version) < 10 else 0,
        )  # fmt: skip
        off = (
            " It is another provider now, and turned off." if was and not provider.is_active else ""
        )
        tell(self.request, f"{provider.name} is as you said.{off}")
        return self.to("sso")
