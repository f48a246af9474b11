"""Forms on one value that somebody else changed while they were looked at."""

from typing import Any

from portal.core.refusals import Refusal
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.writing import history, seen


def stale(form: Form, refusal: Refusal, target: str) -> dict[str, Any]:
    """What the refused form shows: beside what is wrong, who changed `target` meanwhile."""
    if refusal.code != "PRECONDITION_FAILED":
        return {"form": form}
    return {"form": form, "stale": True, "meanwhile": seen(lambda: history(target, most=1))}
