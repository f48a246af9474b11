"""Forms on one value that somebody else changed while they were looked at."""

from typing import Any

from audit.ledger.events import Event
from portal.core.refusals import Refusal
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.writing import history, seen


def stale(form: Form, refusal: Refusal, target: str, event: Event) -> dict[str, Any]:
    """What the refused form shows: beside what is wrong, who last changed the same of `target`."""
    if refusal.code != "PRECONDITION_FAILED":
        return {"form": form}
    latest = seen(lambda: history(target, most=1, event=event))
    return {"form": form, "stale": True, "meanwhile": latest}
