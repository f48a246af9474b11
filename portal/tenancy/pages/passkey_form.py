"""What every page that asks the browser for a passkey shows: what to ask it, and where it works.

The page's script (`passkeys.js`) asks and sends the answer with the page's form. Without a script
the page says that it takes one, and what else there is.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from django import forms
from django.http import HttpRequest

from portal.core.relying_party import relying_party
from portal.tenancy.pages.forms import Form

ANSWER: Final = "passkey"
NOTHING_SENT: Final = "No passkey was used: the page sent none."


class PasskeyForm(Form):
    """The browser's answer. The page's form never shows it again."""

    passkey = forms.CharField(required=False, strip=False, widget=forms.HiddenInput())


def asked_of(request: HttpRequest, options: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """For the page: what the browser is asked as JSON, or the only host where that works."""
    party = relying_party()
    here = party is not None and request.get_host() == party.host
    return {
        "options": json.dumps(options()) if here else "",
        "elsewhere": f"{party.origin}{request.path}" if party is not None and not here else "",
    }
