"""One key: what it may do, what became of what it asked, what is left, and what can be done."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from django.http import HttpRequest, HttpResponse

from audit.ledger.events import Event
from audit.ledger.models import Entry
from audit.ledger.reading import entries, payload_of
from audit.ledger.sentences import sentence
from keys.access import tenant_of_key
from keys.figures import PERIODS, Of, figures, period_of
from keys.models import ApiKey, Decision, Secret, SecretUse
from keys.pages.asked import DAY
from keys.pages.day import Day, days_of
from keys.pages.decisions import Row, rows_of
from keys.pages.paste import snippets
from keys.pages.standing import alive, standing
from keys.pages.trial import TrialForm, steps
from keys.remaining import LimitLeft, remaining_of
from portal.core import configuration
from portal.core.charts import left
from portal.core.clock import now
from portal.core.templatetags.countersign import apart
from portal.tenancy.models import Scope
from portal.tenancy.pages.lists import COUNTED
from portal.tenancy.pages.page import Page
from portal.tenancy.permission import found

State = ApiKey.State
RECENT: Final = 10
SHOWN: Final = (("", "All"), ("denied", "Denied"), ("allowed", "Allowed"))


class Left(NamedTuple):
    """A limit as the page shows it."""

    limit: LimitLeft
    percent: int
    css: str
    words: str
    """When there is more again."""


class Proof(NamedTuple):
    """A secret, and what became of it."""

    secret: Secret
    css: str
    use: SecretUse | None
    newest: bool


class Past(NamedTuple):
    """One line of the key's history."""

    entry: Entry
    words: str


@dataclass(frozen=True)
class Right:
    """A scope that the key has, with what the Api says of it."""

    name: str
    description: str
    high: bool


class KeyPage(Page):
    """`/admin/keys/<id>/`. A POST asks the trial's question, and changes nothing."""

    needs = "keys:read"
    section = "keys"
    template = "keys/key.html"
    key_id: str

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.key_id = kwargs["id"]
        return self.show({"form": TrialForm()})

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page with the answer, or with what can't be asked."""
        self.key_id = kwargs["id"]
        tenant_id = tenant_of_key(self.actor, self.key_id)
        form = TrialForm(request.POST)
        trial = form.ask(self.actor, self.key_id, tenant_id)
        return self.show({"form": form, "trial": trial}, status=200 if trial else 400)

    def show(self, context: Any = None, **options: Any) -> HttpResponse:
        """The page; with a trial, its steps, which need the key."""
        self.trial = (context or {}).get("trial")
        self.form = (context or {}).get("form")
        return super().show(context, **options)

    def context(self) -> dict[str, Any]:
        key = found(ApiKey.objects.select_related("tenant", "api", "owner__person"), self.key_id)
        day = days_of([key])[key.id]
        secrets = list(Secret.objects.filter(key=key).defer("digest", "pepper_id"))
        uses = {use.kid: use for use in SecretUse.objects.filter(key_id=key.id)}
        limits = lefts(key)
        used = max((use.last_used_at for use in uses.values()), default=None)
        scarce = min((limit.percent for limit in limits or []), default=None)
        told = standing(key, secrets=secrets, used=used, day=day, left=scarce)
        asked = self.request.GET.get
        return {
            "key": key, "standing": told, "used": used, "shown": shown_of(key, secrets),
            "rights": rights_of(key), "limits": limits, "day": day,
            "figures": figures(period_of(asked("period", "")), Of(key.tenant_id, key=key.id)),
            "tabs": self.tabs(), "proofs": proofs_of(secrets, uses),
            "recent": recent(key, day, asked("show", "")), "history": history(key),
            "snippets": snippets(key, configuration.BASE_URL().rstrip("/")),
            "age": apart(int((now() - key.created_at).total_seconds())),
            "may_write": self.may("keys:write"),
            "final": key.state in (State.REVOKED, State.LEAKED), "log": self.log(key),
            "steps": self.steps(key), "exposed": exposed(key, secrets),
        }  # fmt: skip

    def steps(self, key: ApiKey) -> Any:
        """The answer to the trial's question, if one was asked."""
        if self.trial is None or self.form is None:
            return []
        return steps(key, self.trial, self.form.question(), may_write=self.may("keys:write"))

    def log(self, key: ApiKey) -> str:
        """The log of the chart's decisions, to be followed by a code."""
        period = period_of(self.request.GET.get("period", "")).name
        time = "" if period == PERIODS[0].name else f"&period={period}"
        return f"{self.url('decisions')}?key={key.id}{time}&code="

    def tabs(self) -> dict[str, list[tuple[str, str, bool]]]:
        """(words, address, chosen) of the chart's tabs and the decisions'; each keeps the other."""
        asked = {name: self.request.GET.get(name, "") for name in ("period", "show")}
        period = period_of(asked["period"])
        show = asked["show"] if asked["show"] in dict(SHOWN) else ""
        return {
            "period": [(p.words, f"?period={p.name}&show={show}#chart", p is period)
                       for p in PERIODS],
            "show": [(words, f"?period={period.name}&show={name}#decisions", name == show)
                     for name, words in SHOWN],
        }  # fmt: skip


def exposed(key: ApiKey, secrets: Iterable[Secret]) -> Entry | None:
    """When others could last read a secret that it still has. Inside a scope."""
    since = min((secret.issued_at for secret in alive(list(secrets))), default=None)
    if since is None:
        return None
    told = entries(
        tenant=key.tenant_id, target=key.id, type=Event.CREDENTIAL_EXPOSED.type, since=since
    )
    return told.first()


def shown_of(key: ApiKey, secrets: Iterable[Secret]) -> str:
    """`csk_live_7Kq2…`: the newest secret that works, else the newest."""
    held = list(secrets)
    newest = (alive(held) or sorted(held, key=lambda s: (s.issued_at, s.kid)))[-1:]
    return f"{configuration.KEY_BRAND()}_{key.environment}_{newest[0].kid[:4] if newest else ''}…"


def rights_of(key: ApiKey) -> list[Right]:
    """Its scopes, in its order."""
    known = {
        scope.name: scope for scope in Scope.objects.filter(api=key.api_id, name__in=key.scopes)
    }
    return [
        Right(name, known[name].description, known[name].risk == Scope.Risk.HIGH)
        if name in known
        else Right(name, "", False)
        for name in key.scopes
    ]


def lefts(key: ApiKey) -> list[Left] | None:
    """What is left of each limit; None when nobody knows."""
    known = remaining_of([key])
    if known is None:
        return None
    return [
        Left(limit, *left(limit.remaining, limit.full), _again(limit, key))
        for limit in known[key.id]
    ]


def _again(limit: LimitLeft, key: ApiKey) -> str:
    shared = f", shared by {key.tenant.name}" if limit.shared_by == "tenant" else ""
    if limit.algorithm == "smooth":
        wait = f"full again in {apart(limit.resets_in)}" if limit.resets_in else "full"
        return f"smooth, {wait}{shared}"
    return f"resets in {apart(limit.resets_in)}{shared}"


def proofs_of(secrets: Sequence[Secret], uses: dict[str, SecretUse]) -> list[Proof]:
    """The secrets, the newest first; those that work are `now`."""
    working = {secret.kid for secret in alive(secrets)}
    ordered = sorted(secrets, key=lambda s: (s.issued_at, s.kid), reverse=True)
    return [
        Proof(secret, "now" if secret.kid in working else "off", uses.get(secret.kid), not place)
        for place, secret in enumerate(ordered)
    ]


def recent(key: ApiKey, day: Day, show: str) -> list[Row]:
    """The newest decisions of the last 24 hours. Where the sums have none, none are looked for."""
    if {"denied": day.denied, "allowed": day.allowed}.get(show, 1) == 0:
        return []
    at = now()
    rows = Decision.objects.filter(key_id=key.id, at__gte=at - DAY, at__lt=at + dt.timedelta(1))
    if show in ("denied", "allowed"):
        rows = rows.filter(code="OK") if show == "allowed" else rows.exclude(code="OK")
    return rows_of(list(rows.order_by("-at", "-id")[:RECENT]), {key.id: key})


@dataclass(frozen=True)
class History:
    """What the ledger has of a key."""

    lines: list[Past]
    total: int

    @property
    def words(self) -> str:
        """`14 entries`."""
        if self.total > COUNTED:
            return "10,000+ entries"
        return f"{self.total:,} entr{'y' if self.total == 1 else 'ies'}"


def history(key: ApiKey) -> History:
    """The last ten entries about the key, and how many there are."""
    rows = entries(tenant=key.tenant_id, target=key.id)
    newest = list(rows[:RECENT])
    total = len(newest) if len(newest) < RECENT else rows.order_by()[: COUNTED + 1].count()
    return History([Past(entry, sentence(entry, payload_of(entry))) for entry in newest], total)
