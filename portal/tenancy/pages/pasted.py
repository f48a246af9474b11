"""A credential that was pasted into a search never stays in the address, and is never shown."""

import unicodedata
from typing import Any, Final

from django.http import HttpRequest, QueryDict

from audit.ledger.values import SECRET
from portal.core.logs import TOKEN
from portal.tenancy.attempts import note_exposed
from portal.tenancy.authentication import MOST_PROVED, provers

PASTED: Final = "pasted"
"""Set in the address after a credential was taken out of it."""
PASTED_WORDS: Final = (
    "What you searched for looks like a credential. It was not looked up and is not shown here,"
    " but your browser and the servers on the way have seen it in an address. If it is a real one,"
    " find it by its first part, such as csg_live_7Kq2, and put another in its place."
)


def without_credentials(request: HttpRequest) -> str | None:
    """This address without the credentials that stand in it; None if none does.

    A real one is recorded as exposed: it is in the browser's history, and in logs on the way.
    """
    kept, found = QueryDict(mutable=True), False
    for name, values in request.GET.lists():
        if any(map(holds_one, (name, *values))):
            found = True
            _record(request, " ".join((name, *values)))
        else:
            kept.setlist(name, values)
    if not found:
        return None
    kept[PASTED] = "1"
    return f"{request.path}?{kept.urlencode()}"


def holds_one(text: str) -> bool:
    """Whether a credential, or enough of one to matter, stands in `text`."""
    return bool(SECRET.search(text) or SECRET.search(unicodedata.normalize("NFC", text)))


def _record(request: Any, text: str) -> None:
    for match in list(TOKEN.finditer(text))[:MOST_PROVED]:
        for prove in provers:
            if exposed := prove(match.group()):
                note_exposed(exposed, request)
                break
