"""The base of every page: who asks, may they see it, and everything read in one scope.

A page reads and renders inside its scope, the platform's or a tenant's: a query that a template
makes sees what the view saw. A POST calls one verb, outside of any scope, and answers with a
redirect; a page that shows a secret answers the POST itself (portal.tenancy.pages.once).
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final, TypeVar, cast
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views import View

from portal.core.error_pages import not_allowed, refusal_page
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.models import Person, Tenant
from portal.tenancy.pages.pasted import PASTED, PASTED_WORDS, without_credentials
from portal.tenancy.permission import require
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.browser import actor_of

T = TypeVar("T")
NOTHING_YET: Final = "tenancy/sign_in_no_pages.html"
"""For who is signed in and has no role here."""
WHY: Final = "the admin's pages show every tenant"


class Page(View):
    """One page. Subclasses say what it needs, its template and its context."""

    http_method_names = ["get", "head", "post"]
    namespace: ClassVar[str] = "admin"
    needs: ClassVar[str] = ""
    """The action (portal.tenancy.roles) without which the page is FORBIDDEN."""
    template: ClassVar[str] = ""
    section: ClassVar[str] = ""
    """The URL name of the navigation's entry that this page belongs to."""

    actor: Actor

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Sign in first; then whatever is refused is a page that says so.

        A credential never stays in the address of what is looked at, whoever looks.
        """
        if request.method in ("GET", "HEAD") and (address := without_credentials(request)):
            return HttpResponseRedirect(address)
        if not (request.user.is_authenticated and request.user.is_verified()):
            return self.sign_in_first(request)
        try:
            self.actor = request.actor = self.acting(request, **kwargs)  # type: ignore[attr-defined]  # the navigation's
            if not self.actor.actions:
                return TemplateResponse(request, NOTHING_YET, status=403)
            require(self.actor, self.needs)
            return super().dispatch(request, *args, **kwargs)
        except Refusal as refusal:
            return refusal_page(request, refusal)

    def acting(self, request: HttpRequest, **kwargs: Any) -> Actor:
        """Who asks, with what they may do at the page's place. Outside of any scope."""
        return actor_of(request)

    def scope(self) -> AbstractContextManager[None]:
        """What the page reads: every tenant, on the admin's pages."""
        return platform_scope(WHY)

    def seen(self, read: Callable[[], T]) -> T:
        """What `read` finds in the page's scope, before a verb is called in its own transaction."""
        with self.scope():
            return read()

    def sign_in_first(self, request: HttpRequest) -> HttpResponse:
        """To the sign-in page, and from there back here if this was only looked at."""
        address = resolve_url("admin:login")
        if request.method in ("GET", "HEAD"):
            address += f"?next={quote(request.get_full_path(), safe='/')}"
        return HttpResponseRedirect(address)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the page."""
        return self.show()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refused unless the page has a form."""
        return self.http_method_not_allowed(request)

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """405, as a page."""
        form = ("POST",) if type(self).post is not Page.post else ()
        return not_allowed(request, ("GET", "HEAD", *form))

    def context(self) -> dict[str, Any]:
        """What the template shows, read inside the scope."""
        return {}

    def show(
        self, context: Mapping[str, Any] | None = None, *, status: int = 200, template: str = ""
    ) -> HttpResponse:
        """The page, whole. `context` is added to the page's own."""
        with self.scope():
            told = {"page": self, "actor": self.actor, **self.context(), **(context or {})}
            response = TemplateResponse(
                self.request, template or self.template, told, status=status
            )
            response.render()
        return response

    @property
    def within(self) -> str:
        """The slug of the tenant whose page this is; empty where it shows all of them."""
        return ""

    @property
    def pasted(self) -> str:
        """What is said after a credential was taken out of the address; empty if none was."""
        return PASTED_WORDS if PASTED in self.request.GET else ""

    @property
    def own_tenant(self) -> Tenant | None:
        """The tenant whose page this is; None where it shows all of them."""
        return None

    @property
    def where(self) -> str:
        """Whose rows these are, for the header."""
        return "All tenants"

    @property
    def role(self) -> str:
        """What the person is here, for the header."""
        return cast(Person, self.request.user).get_platform_role_display().lower()

    def url(self, name: str, *args: Any) -> str:
        """The address of another page here, by its name."""
        return reverse(f"{self.namespace}:{name}", args=args)

    def to(self, name: str, *args: Any) -> HttpResponse:
        """Go on to another page, after a POST."""
        return HttpResponseRedirect(self.url(name, *args))

    def may(self, action: str) -> bool:
        """Whether the actor may do `action`: what they may not is not offered."""
        return self.actor.may(action)
