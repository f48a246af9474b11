"""What every page that changes something of the platform's begins and ends with."""

import datetime as dt
from collections.abc import Iterable
from typing import Any, ClassVar, Final, NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from audit.ledger.events import Event
from audit.ledger.models import Entry
from audit.ledger.reading import entries, payload_of
from audit.ledger.sentences import sentence
from audit.ledger.target import Target
from portal.core.outbox import Propagation
from portal.core.refusals import Refusal
from portal.tenancy.models import Tenant
from portal.tenancy.pages.forms import STATUS, Form, FormPage
from portal.tenancy.permission import attempt, platform_attempt, require

PENDING: Final = (
    "It is saved, but Redis does not answer: checks may still go by the old state until it does."
)
STEPS: Final = ("step", "add", "csrfmiddlewaretoken")
"""What a form sends beyond what was typed."""


def tell(request: HttpRequest, words: str, propagation: Propagation = "complete") -> None:
    """Say on the next page what was done, and whether it holds everywhere already."""
    if propagation == "complete":
        messages.success(request, words)
    else:
        messages.warning(request, f"{words} {PENDING}")


class Step(NamedTuple):
    """One entry of an object's history."""

    id: str
    sentence: str
    at: dt.datetime
    tenant: str
    """The tenant that it is of; empty for the platform's."""


def history(
    target: str, *, most: int = 5, since: dt.datetime | None = None, event: Event | None = None
) -> list[Step]:
    """The latest entries about `target`, those after `since`, of one event. Inside a scope."""
    rows = entries(tenant=None, target=target, type=event and event.type)
    if since is not None:
        rows = rows.filter(occurred_at__gt=since)
    return steps_of(rows[:most])


def steps_of(rows: Iterable[Entry]) -> list[Step]:
    """Entries in words."""
    found = list(rows)
    tenants = Tenant.objects.filter(id__in={e.tenant_id for e in found if e.tenant_id})
    names = dict(tenants.values_list("id", "name"))
    return [
        Step(e.id, sentence(e, payload_of(e)), e.occurred_at, names.get(e.tenant_id or "", ""))
        for e in found
    ]


class WritingPage(FormPage):
    """A page with a form that changes one thing: only for who may, and a try is recorded."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show what would happen, to who may do it."""
        self.seen(lambda: self.find(**kwargs))
        require(self.actor, self.changes)
        return self.show()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Do it. Who may only look is refused before anything typed is judged."""
        self.seen(lambda: self.find(**kwargs))
        target, tenant_id = self.aim()
        with (
            platform_attempt(self.actor, self.changes, target)
            if tenant_id is None
            else attempt(self.actor, tenant_id, self.changes, target)
        ):
            require(self.actor, self.changes)
        return super().post(request, *args, **kwargs)

    def find(self, **kwargs: Any) -> None:
        """What the address is about; raises Refusal NOT_FOUND. Inside the scope."""

    def aim(self) -> tuple[Target, str | None]:
        """What is changed, and whose it is; None: the platform's."""
        raise NotImplementedError

    decides: ClassVar[Event | None] = None
    """The event that changes what the form is about, where it holds one value."""

    def refused(self, form: Form, refusal: Refusal) -> HttpResponse:
        """The form with what is wrong; a stale one with who last changed the same."""
        told: dict[str, Any] = {"form": form}
        if refusal.code == "PRECONDITION_FAILED":
            target = self.aim()[0].id
            latest = self.seen(lambda: history(target, most=1, event=self.decides))
            told |= {"stale": True, "meanwhile": latest}
        return self.show(told, status=STATUS.get(refusal.code, 400))

    def typed(self, name: str) -> str:
        """A field of the form that is not the form's own, as it was sent."""
        return str(self.request.POST.get(name, ""))


class ReviewedPage(WritingPage):
    """A change that is shown as a difference first, and saved by a second step."""

    confirm: ClassVar[str]
    """The template of the second step."""

    def act(self, form: Form) -> HttpResponse:
        step = self.typed("step")
        if step == "back" or "add" in self.request.POST:
            return self.show({"form": form})
        told = self.seen(lambda: self.judge(form))
        if not told.get("lines"):
            return self.show({"form": form, "nothing": "Nothing differs. Nothing was saved."})
        if step == "save":
            return self.save(form)
        sent = [
            (name, value)
            for name, values in self.request.POST.lists() if name not in STEPS
            for value in values
        ]  # fmt: skip
        return self.show({**told, "form": form, "sent": sent}, template=self.confirm)

    def judge(self, form: Form) -> dict[str, Any]:
        """What would change, as `lines`; raises what the verb would. Inside the scope."""
        raise NotImplementedError

    def save(self, form: Form) -> HttpResponse:
        """Call the verb."""
        raise NotImplementedError

    def meanwhile(self) -> dict[str, Any]:
        """What was changed since the form was opened, as `since` tells. Inside the scope."""
        raise NotImplementedError

    def refused(self, form: Form, refusal: Refusal) -> HttpResponse:
        """The form with what is wrong; a stale one with what happened meanwhile."""
        told: dict[str, Any] = {"form": form}
        if refusal.code == "PRECONDITION_FAILED":
            told |= {"stale": True, **self.seen(self.meanwhile)}
        return self.show(told, status=STATUS.get(refusal.code, 400))
