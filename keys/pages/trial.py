"""Why would this be refused? The form that asks it, and the answer as steps in order."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from django import forms
from django.urls import NoReverseMatch

from keys.codes import KIND, Code
from keys.models import ApiKey
from keys.trying import Trial, try_out
from portal.core.logs import redact
from portal.core.refusals import Refusal, refuse
from portal.tenancy.actors import Actor
from portal.tenancy.pages.forms import Form

SHAPE: Final = "A method and a path are needed, such as POST /v1/chat/completions."
AMOUNTS: Final = "Units and whole numbers are needed, such as requests=1 tokens=1200."
AMOUNT: Final = re.compile(r"([^\s=]{1,64})=(\d{1,15})", re.ASCII)
FIELD_OF: Final = {
    "/request/method": "/request", "/request/path": "/request", "/request/ip": "/address",
    "/request/model": "/model",
}  # fmt: skip
"""A check's members as the form's fields."""


def _fact(label: str, example: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"placeholder": example})
    return forms.CharField(required=False, label=label, widget=widget)


class TrialForm(Form):
    """Facts of a request, as a gateway would state them; all may be left out."""

    request = _fact("Request", "POST /v1/chat/completions")
    address = _fact("From address", "203.0.113.9")
    model = _fact("Model", "gpt-4o")
    subject = _fact("Subject", "user-42")
    purpose = _fact("Purpose", "service-provision")
    scopes = _fact("Scopes asked for", "chat:write models:read")
    usage = _fact("Usage", "requests=1 tokens=1200")

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        # Nothing that is typed here needs a secret, and nothing shows one again.
        cut = {n: redact(data[n]) for n in self.base_fields if n in data} if data else None
        super().__init__(cut if data is not None else None, **kwargs)

    def question(self) -> dict[str, Any]:
        """What was typed, as a check's members; raises Refusal for what can't be one."""
        typed = self.cleaned_data
        facts = {"ip": typed["address"], "model": typed["model"]}
        if typed["request"]:
            parts = typed["request"].split(maxsplit=1)
            if len(parts) < 2:
                refuse(SHAPE, "/request")
            facts |= {"method": parts[0], "path": parts[1]}
        return {
            "request": {name: value for name, value in facts.items() if value},
            "subject": typed["subject"] or None, "purpose": typed["purpose"] or None,
            "scopes": re.split(r"[\s,]+", typed["scopes"]) if typed["scopes"] else [],
            "usage": _amounts(typed["usage"]),
        }  # fmt: skip

    def ask(self, actor: Actor, key_id: str, tenant_id: str) -> Trial | None:
        """The answer; None when what was typed is none, which the form then says."""
        if not self.is_valid():
            return None
        try:
            return try_out(actor=actor, key_id=key_id, tenant_id=tenant_id, **self.question())
        except Refusal as refusal:
            if refusal.code != "REQUEST_INVALID":
                raise
            errors = [{**error, "pointer": _field(error["pointer"])} for error in refusal.errors]
            self.blame(Refusal("REQUEST_INVALID", errors=errors))
            return None


def _field(pointer: str) -> str:
    return FIELD_OF.get(pointer, "/" + pointer.split("/")[1] if pointer else pointer)


def _amounts(text: str) -> dict[str, int] | None:
    found: dict[str, int] = {}
    for part in re.split(r"[\s,]+", text) if text else []:
        match = AMOUNT.fullmatch(part)
        if not match or match[1] in found:
            refuse(AMOUNTS, "/usage")
        found[match[1]] = int(match[2])
    return found or None


class Step(NamedTuple):
    """One part of the answer."""

    css: str
    """`now`: good, `no`: refuses, `off`: not looked at."""
    words: str
    code: str = ""
    todo: str = ""
    url: str = ""


PARTS: Final[tuple[tuple[str, frozenset[Code]], ...]] = (
    ("state", frozenset(c for c in Code if KIND[c] == "key")),
    ("holder", frozenset({Code.TENANT_SUSPENDED, Code.OWNER_DISABLED})),
    ("address", frozenset({Code.ENVIRONMENT_MISMATCH, Code.IP_NOT_ALLOWED})),
    ("route", frozenset({Code.ROUTE_UNKNOWN})),
    ("scopes", frozenset({Code.SCOPE_MISSING})),
    ("model", frozenset({Code.MODEL_NOT_ALLOWED})),
    ("subject", frozenset(c for c in Code if KIND[c] == "consent")),
    ("limits", frozenset(c for c in Code if KIND[c] == "limit")),
)
"""What is looked at, in the contract's order."""
MEND: Final[Mapping[Code, tuple[str, str]]] = {
    Code.KEY_REVOKED: ("Create another", "key-new"),
    Code.KEY_LEAKED: ("Create another", "key-new"),
    Code.KEY_SUSPENDED: ("Resume it", "key-resume"),
    Code.KEY_EXPIRED: ("Extend it", "key-edit"),
    Code.TENANT_SUSPENDED: ("See the tenant", "tenant"),
    Code.OWNER_DISABLED: ("Give it another owner", "key-edit"),
    Code.IP_NOT_ALLOWED: ("Add it", "key-edit"),
    Code.ROUTE_UNKNOWN: ("See the API's routes", "api"),
    Code.SCOPE_MISSING: ("Add the scope", "key-edit"),
    Code.MODEL_NOT_ALLOWED: ("Add it", "key-edit"),
    Code.QUOTA_EXCEEDED: ("Change the limit", "key-edit"),
    Code.RATE_LIMITED: ("Change the limit", "key-edit"),
}
"""What would mend a refusal: words, and the page where it is done."""
READING: Final = ("tenant", "api")


def steps(
    key: ApiKey, trial: Trial, question: Mapping[str, Any], *,
    may_write: bool, url: Callable[..., str],
) -> list[Step]:  # fmt: skip
    """The answer, part by part. `url` is what the page's own is."""
    found = []
    for name, codes in PARTS:
        failed = [(code, words) for code, words in trial.failures if code in codes]
        if failed:
            found += [_refused(key, code, words, may_write, url) for code, words in failed]
        else:
            found.append(GOOD[name](key, trial, question))
    return found


def _refused(key: ApiKey, code: Code, words: str, may_write: bool, url: Callable[..., str]) -> Step:
    todo, name = MEND.get(code, ("", ""))
    if not name or (name not in READING and not may_write):
        return Step("no", words, code.name)
    of = {"tenant": [key.tenant.slug], "api": [key.api_id], "key-new": []}.get(name, [key.id])
    try:
        return Step("no", words, code.name, todo, url(name, *of))
    except NoReverseMatch:  # a tenant's own pages have none of the platform's
        return Step("no", words, code.name)


def _address(key: ApiKey, trial: Trial, question: Mapping[str, Any]) -> Step:
    if not key.allowed_cidrs:
        return Step("now", "It may be used from any address.")
    return Step("now", f"{question['request'].get('ip')} is on its list.")


def _route(key: ApiKey, trial: Trial, question: Mapping[str, Any]) -> Step:
    if trial.route is None:
        return Step("off", "No request was stated: routes took no part.")
    return Step("now", f"The route is {trial.route.method} {trial.route.pattern}.")


def _scopes(key: ApiKey, trial: Trial, question: Mapping[str, Any]) -> Step:
    wanted = [*(trial.route.scopes if trial.route else ()), *question["scopes"]]
    if not wanted:
        return Step("off", "No scope is needed.")
    return Step("now", f"It has every scope that is needed: {', '.join(dict.fromkeys(wanted))}.")


def _model(key: ApiKey, trial: Trial, question: Mapping[str, Any]) -> Step:
    if not key.allowed_models:
        return Step("now", "It may use any model.")
    return Step("now", f"{question['request'].get('model')} is on its list.")


def _limits(key: ApiKey, trial: Trial, question: Mapping[str, Any]) -> Step:
    return Step("now", "Every limit has room." if trial.limits else "It has no limits.")


GOOD: Final[Mapping[str, Any]] = {
    "state": lambda *_: Step("now", "Secret, state and expiry are good."),
    "holder": lambda *_: Step("now", "The tenant and the owner are active."),
    "address": _address, "route": _route, "scopes": _scopes, "model": _model,
    "subject": lambda *_: Step("off", "No data subject was named."),
    "limits": _limits,
}  # fmt: skip
