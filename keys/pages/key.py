"""One key: what it may do, what became of what it asked, what is left, and what can be done."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse

from audit.ledger.events import Event
from audit.ledger.models import Entry
from audit.ledger.reading import entries, payload_of
from audit.ledger.sentences import sentence
from keys.access import tenant_of_key
from keys.burning import Burn, burn, foreseen, granted_from, window_of
from keys.figures import PERIODS, Period, figures_from, period_of
from keys.heat import heat_from
from keys.hours import Hour, hours_of
from keys.models import ApiKey, Decision, Secret, SecretUse
from keys.pages.asked import DAY
from keys.pages.day import Day, day_from
from keys.pages.decisions import Row, rows_of
from keys.pages.paste import snippets
from keys.pages.standing import alive, standing
from keys.pages.trial import TrialForm, steps
from keys.remaining import LimitLeft, remaining_of
from portal.core import configuration
from portal.core.charts import left
from portal.core.clock import now
from portal.core.heat import begin
from portal.core.templatetags.countersign import apart
from portal.tenancy.models import Scope
from portal.tenancy.pages.lists import COUNTED
from portal.tenancy.pages.page import Page
from portal.tenancy.permission import found, within

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
    burn: Burn | None
    """Its window so far, if it is one that burns down."""


class Proof(NamedTuple):
    """A secret, and what became of it."""

    secret: Any
    css: str
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
        rows = within(self.actor, ApiKey.objects.select_related("tenant", "api", "owner__person"))
        key = found(rows, self.key_id)
        asked = self.request.GET.get
        period = period_of(asked("period", ""))
        hours = hours_of(key.tenant_id, key.id, earliest(period))
        day = day_from(hours)
        secrets = secrets_of(key)
        limits = lefts(key, hours)
        used = max((secret.used for secret in secrets if secret.used), default=None)
        scarce = min((limit.percent for limit in limits or []), default=None)
        told = standing(key, secrets=secrets, used=used, day=day, left=scarce)
        return {
            "key": key, "standing": told, "used": used, "shown": shown_of(key, secrets),
            "rights": rights_of(key), "limits": limits, "day": day,
            "figures": figures_from(period, period.since, (hour[:3] for hour in hours)),
            "heat": heat_from(hours), "burn": scarcest(limits or []),
            "tabs": self.tabs(), "proofs": proofs_of(secrets),
            "recent": recent(key, day, asked("show", "")),
            "history": history(key) if self.may("audit:read") else None,
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
        question, may_write = self.form.question(), self.may("keys:write")
        return steps(key, self.trial, question, may_write=may_write, url=self.url)

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


def earliest(period: Period) -> dt.datetime:
    """From when on the key's hours are read: for the chart, the week and the month's limits."""
    return min(period.since, begin(), window_of("month", now()).start)


def secrets_of(key: ApiKey) -> list[Any]:
    """All its secrets, each with its last use as `used` and `address`."""
    use = SecretUse.objects.filter(kid=OuterRef("kid"))
    told = {"used": use.values("last_used_at"), "address": use.values("last_address")}
    rows = Secret.objects.filter(key=key).defer("digest", "pepper_id")
    return list(rows.annotate(**{name: Subquery(value) for name, value in told.items()}))


def lefts(key: ApiKey, hours: Sequence[Hour]) -> list[Left] | None:
    """What is left of each limit; None when nobody knows."""
    known = remaining_of([key])
    if known is None:
        return None
    return [
        Left(limit, *left(limit.remaining, limit.full), _again(limit, key), _burn(limit, hours))
        for limit in known[key.id]
    ]


def _burn(limit: LimitLeft, hours: Sequence[Hour]) -> Burn | None:
    """The limit's present window. The course of one that other keys share is not this key's."""
    if not foreseen(limit):
        return None
    return burn(limit, granted_from(hours, limit.unit) if limit.shared_by == "key" else None)


def scarcest(limits: Iterable[Left]) -> Burn | None:
    """Of the key's own limits that burn down, the one of which least is left."""
    own = [each for each in limits if each.burn and each.limit.shared_by == "key"]
    return min(own, key=lambda each: each.percent).burn if own else None


def _again(limit: LimitLeft, key: ApiKey) -> str:
    shared = f", shared by {key.tenant.name}" if limit.shared_by == "tenant" else ""
    if limit.algorithm == "smooth":
        wait = f"full again in {apart(limit.resets_in)}" if limit.resets_in else "full"
        return f"smooth, {wait}{shared}"
    return f"resets in {apart(limit.resets_in)}{shared}"


def proofs_of(secrets: Sequence[Any]) -> list[Proof]:
    """The secrets, the newest first; those that work are `now`."""
    working = {secret.kid for secret in alive(secrets)}
    ordered = sorted(secrets, key=lambda s: (s.issued_at, s.kid), reverse=True)
    return [
        Proof(secret, "now" if secret.kid in working else "off", not place)
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
