"""Where a browser goes on to: an address of ours that it asked for, or where its person begins."""

from urllib.parse import unquote

from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from portal.tenancy.models import Person
from portal.tenancy.pages.pasted import holds_one


def own_path(text: str) -> str:
    """`text` if it is an address of ours to go on to, else nothing.

    Nothing also if a credential stands in it: it is kept with the session until the code is given.
    """
    ours = text.startswith("/") and url_has_allowed_host_and_scheme(text, allowed_hosts=None)
    steps = (reverse(f"admin:{name}") for name in ("login", "logout", "security-prove"))
    elsewhere = text.startswith(tuple(steps))
    return text if ours and not elsewhere and not holds_one(unquote(text)) else ""


def home_of(person: Person) -> str:
    """Where a person begins: the platform's people on its overview, others at their tenants."""
    return reverse("admin:index" if person.platform_role else "choice")


def onward(person: Person, going_to: str) -> str:
    """Where who is signed in goes on to: `going_to`, unless it would only send them back here.

    Django's own pages send whoever has no role on the platform to sign in, and from there on.
    """
    staffs = going_to.startswith(reverse("admin:index"))
    own = going_to.startswith(reverse("admin:security")) or bool(person.platform_role)
    return going_to if going_to and (own or not staffs) else home_of(person)
