"""Create a key: choose whose, fill in the form, see the secret once."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from django import forms
from django.http import HttpRequest, HttpResponse

from audit.ledger.target import Target
from keys.definitions import parse_new_key
from keys.governed import governed
from keys.issuing import Issued, issue_key
from keys.models import ApiKey
from keys.pages.form import OWNERS, KeyForm
from keys.pages.paste import snippets
from keys.pages.words import limit_words
from keys.pages.writing import require_writing
from portal.core import configuration
from portal.core.refusals import Refusal
from portal.tenancy.apis import usable_apis
from portal.tenancy.models import Api, Membership, Scope, Tenant
from portal.tenancy.pages.forms import STATUS
from portal.tenancy.pages.once import AlreadySent, once_only, token
from portal.tenancy.pages.page import Page
from portal.tenancy.permission import require

CHOOSABLE: Final = 50
"""Tenants that a select offers; beyond, the slug is typed."""
INITIAL: Final = {"environment": "live", "expiry": "90", "purposes_rule": "any"}


@dataclass
class Place:
    """Where the key is to be: its tenant and Api, as far as they are chosen."""

    tenant: Tenant | None = None
    api: Api | None = None
    apis: list[Api] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)
    owners: list[Membership] = field(default_factory=list)
    fault: str = ""
    """What is wrong with what was chosen."""


class NewKeyForm(KeyForm):
    """The form, with what is given once."""

    environment = forms.CharField(
        label="Environment", required=False,
        help_text="It can't be changed later. A test key is refused where live ones are asked for.",
        widget=forms.Select(choices=[(e, e) for e in ApiKey.Environment.values]),
    )  # fmt: skip

    def body(self) -> dict[str, Any]:
        """What was typed, as REST takes it."""
        return {**super().body(), "environment": self.cleaned_data["environment"]}


class NewKey(Page):
    """`/admin/keys/new/?tenant=…&api=…`."""

    needs = "keys:read"
    changes: ClassVar[str] = "keys:write"
    section = "keys"
    template = "keys/new.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The choice of a tenant and an Api, then the form."""
        require(self.actor, self.changes)
        place = self.chosen()
        return self.show({"place": place}, status=404 if place.fault else 200)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """More rows, or the key and its secret."""
        place = self.chosen()
        if place.tenant is None or place.api is None:
            require(self.actor, self.changes)
            return self.show({"place": place}, status=400)
        require_writing(self.actor, place.tenant.id, Target("tenant", place.tenant.id))
        form = self.form(place, request.POST)
        if not form.is_valid():
            return self.show({"place": place, "form": form}, status=400)
        if "add" in request.POST:
            return self.show({"place": place, "form": form})
        return self.issue(place.tenant, place.api, place, form)

    def issue(self, tenant: Tenant, api: Api, place: Place, form: KeyForm) -> HttpResponse:
        """Call the verb, once for each form; its secret is in this answer alone."""
        try:
            definition = form.read(parse_new_key, {**form.body(), "api": api.slug})
            with once_only(self.request):
                issued = issue_key(actor=self.actor, tenant_id=tenant.id, definition=definition)
        except AlreadySent as sent:
            return self.show(self.before(sent.made), template="keys/created.html")
        except Refusal as refusal:
            if refusal.code == "NOT_FOUND":
                raise
            form.blame(refusal)
            status = STATUS.get(refusal.code, 400)
            return self.show({"place": place, "form": form}, status=status)
        return self.created(issued)

    def created(self, issued: Issued) -> HttpResponse:
        """The page that shows the secret, this once."""
        told = {"secret": issued.secret.reveal(), "made": issued.key.id}
        return self.show(told, template="keys/created.html")

    def before(self, made: str) -> dict[str, Any]:
        """The same page for a form that was sent before: nothing was issued, nothing is shown."""
        return {"secret": "", "made": made}

    def show(self, context: Any = None, *, status: int = 200, template: str = "") -> HttpResponse:
        """The form, or what was created."""
        with self.scope():
            told = dict(context or {})
            if made := told.get("made"):
                told |= _made(made)
            else:
                told |= self.asked(told["place"], told.get("form"))
            return super().show(told, status=status, template=template)

    def asked(self, place: Place, form: KeyForm | None) -> dict[str, Any]:
        """What the form's template shows."""
        return {
            **({} if self.within else self.tenants()),
            "form": form or (self.form(place) if place.api else None),
            "once": token(self.request),
        }

    def tenants(self) -> dict[str, Any]:
        """Those to choose from, unless they are too many, and what was typed."""
        some = list(Tenant.objects.order_by("slug")[: CHOOSABLE + 1])
        return {
            "tenants": some if len(some) <= CHOOSABLE else None,
            "slug": self.request.GET.get("tenant", "")[:63],
        }

    def form(self, place: Place, data: Any = None) -> KeyForm:
        """The form of this place. Who makes a key of their own tenant's answers for it."""
        initial = {**INITIAL, "owner": self.actor.membership_id or ""}
        return NewKeyForm(data, scopes=place.scopes, owners=place.owners, initial=initial)

    def chosen(self) -> Place:
        """What the address chooses, looked up; on a tenant's own pages the Api alone."""
        slug = "" if self.within else self.request.GET.get("tenant", "").replace("\0", " ")
        with self.scope():
            tenant = self.own_tenant or Tenant.objects.filter(slug=slug).first()
            if tenant is not None:
                return _place(tenant, self.request.GET.get("api", ""))
            return Place(fault="There is no such tenant." if slug else "")


def _place(tenant: Tenant, wanted: str) -> Place:
    apis = list(usable_apis(tenant.id).order_by("slug"))
    found = [api for api in apis if api.slug == wanted] if wanted else apis
    api = found[0] if len(found) == 1 else None
    fault = "The tenant may use no such API." if wanted and not found else ""
    return Place(
        tenant, api, apis, fault=fault,
        scopes=_scopes(api) if api else [], owners=_owners(tenant) if api else [],
    )  # fmt: skip


def _scopes(api: Api) -> list[Scope]:
    return list(Scope.objects.filter(api=api).order_by("name"))


def _owners(tenant: Tenant) -> list[Membership]:
    members = Membership.objects.filter(tenant=tenant, is_active=True, person__is_active=True)
    return list(members.select_related("person").order_by("person__name", "id")[: OWNERS + 1])


def _made(key_id: str) -> dict[str, Any]:
    """The key that was made, in words. Inside the scope."""
    key = ApiKey.objects.select_related("tenant", "api", "owner__person").get(id=key_id)
    return {
        "key": key,
        "limits": [limit_words(limit) for limit in governed(key)["limits"]],
        "paste": snippets(key, configuration.BASE_URL().rstrip("/")),
    }
