"""Ending one's own sessions: all others, or one of them."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from portal.core.refusals import Refusal
from portal.tenancy.pages.security import Own
from portal.tenancy.sessions import digest_of
from portal.tenancy.signing_in.ending import end_other_sessions, end_session, open_sessions


class EndOthers(Own):
    """GET says which sessions end, POST ends them."""

    template = "tenancy/security_sessions.html"
    fresh = False  # it only takes away, from oneself

    def context(self) -> dict[str, Any]:
        others = open_sessions(self.person.id).exclude(digest=digest_of(self.session_key))
        return {"others": others.count()}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """End them."""
        ended = end_other_sessions(**self.who)
        words = {0: "There was no other session.", 1: "1 other session has ended."}
        messages.success(request, words.get(ended, f"{ended} other sessions have ended."))
        return self.to("security")


class EndSession(Own):
    """`/admin/security/sessions/<ref>/`."""

    template = "tenancy/security_session.html"
    fresh = False  # it only takes away, from oneself

    def context(self) -> dict[str, Any]:
        session = open_sessions(self.person.id).filter(ref=self.kwargs["ref"]).first()
        if session is None:
            raise Refusal("NOT_FOUND")
        return {"session": session, "here": session.digest == digest_of(self.session_key)}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """End it. Of this browser: that is signing out."""
        ended = end_session(actor=self.actor, person=self.person, ref=kwargs["ref"])
        if ended.digest == digest_of(self.session_key):
            request.session.flush()
            messages.success(request, "You are signed out.")
            return HttpResponseRedirect(reverse("admin:login"))
        messages.success(request, f"The session on {ended.browser} has ended.")
        return self.to("security")
