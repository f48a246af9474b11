"""How lately the person of a browser proved that it is them.

What is dangerous takes a proof of the last five minutes: a browser that was left open, or whose
cookie was copied, does nothing of it. Signing in here is a proof, and so is a code on the page that
asks for one again (portal.tenancy.pages.proving), and a provider's word that it asked just now
(portal.tenancy.sso.proving). Nothing else is.
"""

import datetime as dt
from typing import Final

from django.db.models.functions import Now
from django.http import HttpRequest

from portal.tenancy.models import Session
from portal.tenancy.sessions import digest_of

LASTS: Final = 300
"""Seconds."""
TO_FILL_IN: Final = 120
"""Seconds of them that are left, at least, when a form is shown: nobody types in vain."""


def proved_lately(request: HttpRequest) -> bool:
    """Whether it is proved enough to do what is dangerous, or for a GET to begin with it."""
    ago: float | None = request.session.proved_ago  # type: ignore[attr-defined]  # our store's
    lasts = LASTS if request.method == "POST" else LASTS - TO_FILL_IN
    return ago is not None and ago <= lasts


def note_proved(person_id: str, session_key: str, ago: float = 0) -> None:
    """The person proved a factor, so many seconds ago, in this session. In the transaction."""
    session = Session.objects.filter(person_id=person_id, digest=digest_of(session_key))
    session.update(proved_at=Now() - dt.timedelta(seconds=ago))
