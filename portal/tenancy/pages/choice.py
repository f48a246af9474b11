"""`/t/`: in which tenants one is something. Who is in one alone is taken there."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from portal.tenancy.pages.security import Own
from portal.tenancy.places import places_of
from portal.tenancy.signing_in.joining import offers_to
from portal.tenancy.sso.binding import within_reach


class Choice(Own):
    """It needs a sign-in and no role."""

    section = "choice"
    of_own_sign_in = False
    template = "tenancy/choice.html"

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """The tenants to choose from; straight on where there is no choice."""
        places = within_reach(self.person, places_of(self.person.id))
        offers = offers_to(self.person)
        if len(places) == 1 and not self.person.platform_role and not offers:
            return HttpResponseRedirect(reverse("tenant:index", args=[places[0].slug]))
        status = 200 if places or offers or self.person.platform_role else 403
        return self.show({"choices": places, "offers": offers}, status=status)
