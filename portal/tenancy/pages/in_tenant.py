"""What makes a page one of a tenant's own: `/t/<slug>/…`, for its members alone."""

from contextlib import AbstractContextManager
from typing import Any, ClassVar, cast

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from portal.tenancy.actors import Actor
from portal.tenancy.models import Person, Tenant
from portal.tenancy.pages.page import Page
from portal.tenancy.places import Place, member, place_in
from portal.tenancy.scope import tenant_scope
from portal.tenancy.signing_in.browser import actor_of
from portal.tenancy.sso.binding import OtherDoor, require_door


class InTenant(Page):
    """Put before a page of the admin, it makes it a tenant's.

    Who asks is a member and may what their role there allows, whatever they are on the platform.
    Everything is read in the tenant's scope: PostgreSQL shows no row of another one. A tenant that
    is not theirs is NOT_FOUND, as one that is not at all.
    """

    namespace: ClassVar[str] = "tenant"
    place: Place

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """To the tenant's own provider first, where nobody else lets people in."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except OtherDoor as door:
            return HttpResponseRedirect(door.address)

    def acting(self, request: HttpRequest, **kwargs: Any) -> Actor:
        """The person as a member of the tenant in the address."""
        person = cast(Person, request.user)
        self.place = place_in(person.id, kwargs["slug"])
        require_door(person, self.place)
        return member(actor_of(request), self.place)

    def scope(self) -> AbstractContextManager[None]:
        """This tenant's rows."""
        return tenant_scope(self.place.tenant_id)

    @property
    def within(self) -> str:
        return self.place.slug

    @property
    def own_tenant(self) -> Tenant:
        """As the place tells it: no query for what is known already."""
        place = self.place
        return Tenant(id=place.tenant_id, slug=place.slug, name=place.name, status=place.status)

    @property
    def where(self) -> str:
        return self.place.name

    @property
    def role(self) -> str:
        return self.place.title.lower()

    @property
    def suspended(self) -> bool:
        """Whether one may only look: every page says so on top."""
        return self.place.suspended

    def url(self, name: str, *args: Any) -> str:
        """The address of another of this tenant's pages.

        The admin's name the tenant first where it is one tenant's page; here it is named already.
        """
        rest = args[1:] if args and args[0] == self.place.slug else args
        return reverse(f"{self.namespace}:{name}", args=[self.place.slug, *rest])
