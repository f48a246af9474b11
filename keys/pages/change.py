"""Change a key: what was typed is shown as a difference first, and saved by a second step."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from django.http import HttpResponse

from audit.ledger.reading import entries, payload_of
from audit.ledger.sentences import body_of as told_in
from audit.ledger.sentences import sentence
from audit.ledger.target import Target
from keys.changing import FINAL, change_key
from keys.definitions import KeyPatch, parse_key_patch
from keys.entitlement import owner_for, require_networks, require_scopes
from keys.governed import governed
from keys.models import ApiKey
from keys.pages.difference import difference, shape_of
from keys.pages.form import OWNERS, KeyForm, body_of, line_of
from keys.pages.words import LABELS
from keys.pages.writing import KeyFormPage
from portal.core.clock import UTC
from portal.core.refusals import Refusal
from portal.tenancy.models import Membership, Scope
from portal.tenancy.pages.difference import Line
from portal.tenancy.pages.forms import STATUS, Form
from portal.tenancy.pages.writing import tell
from portal.tenancy.permission import attempt
from portal.tenancy.scope import tenant_scope

MOST: Final = OWNERS + 1
STEPS: Final = ("step", "add", "csrfmiddlewaretoken")
"""What a form sends beyond what was typed."""


class Step(NamedTuple):
    """What someone changed since the form was opened."""

    sentence: str
    at: dt.datetime
    fields: str


class Change(KeyFormPage):
    """`/admin/keys/<id>/edit/`."""

    template = "keys/edit.html"

    stood: ApiKey
    """The key when the form was read."""
    shape: dict[str, Any]
    """What was governed of it then."""
    sent: KeyForm | None = None

    def context(self) -> dict[str, Any]:
        key = self.key()
        return {
            "key": key, "final": key.state in FINAL, "form": self.sent or self.form_of(key),
            "version": str(self.version() or key.version),
        }  # fmt: skip

    def form_of(self, key: ApiKey, data: Any = None) -> KeyForm:
        """The form with what was sent, or with what stands. Inside a scope."""
        self.stood, self.shape = key, governed(key)
        owners = Membership.objects.filter(
            tenant_id=key.tenant_id, is_active=True, person__is_active=True
        )
        return KeyForm(
            data,
            scopes=list(Scope.objects.filter(api_id=key.api_id).order_by("name")),
            owners=list(owners.select_related("person").order_by("person__name", "id")[:MOST]),
            held=key.scopes, limits=self.shape["limits"], initial=typed_of(key),
        )  # fmt: skip

    def form(self, data: Any = None) -> Form:
        """The form that was sent."""
        with tenant_scope(self.tenant_id):
            self.sent = self.form_of(self.key(), data)
        return self.sent

    def act(self, form: Form) -> HttpResponse:
        assert isinstance(form, KeyForm)
        step, aim = self.request.POST.get("step", ""), Target("key", self.key_id)
        if step == "back" or "add" in self.request.POST:
            return self.show()
        with (
            attempt(self.actor, self.tenant_id, "keys:write", aim),
            tenant_scope(self.tenant_id),
        ):
            if self.stood.state in FINAL:
                raise Refusal("CONFLICT", f"A {self.stood.state} key stays as it is.")
            if self.version() != self.stood.version:
                raise Refusal("PRECONDITION_FAILED")
            patch, lines = self.read(form)
        if step == "save" and lines:
            return self.save(patch)
        return self.compare(lines)

    def version(self) -> int:
        """The version that the form was opened with; 0 if what was sent is none."""
        text = self.request.POST.get("version", "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0

    def read(self, form: KeyForm) -> tuple[KeyPatch, list[Line]]:
        """What the form would change; raises Refusal for what the verb would refuse too."""
        key, before = self.stood, self.shape
        patch = form.read(parse_key_patch, patch_of(key, before["limits"], form))
        after = {**before, **_shapes(before["metadata"], patch.members)}
        if "owner" in patch.members:
            owner_for(key.tenant_id, patch.members["owner"])
        if "scopes" in patch.members:
            require_scopes(key.api_id, patch.members["scopes"], held=key.scopes)
        if "allowed_cidrs" in patch.members:
            require_networks(key.environment, patch.members["allowed_cidrs"])
        ids = {before["owner"], after["owner"]}
        members = Membership.objects.filter(id__in=ids).select_related("person")
        return patch, difference(before, after, {m.id: m.person.name for m in members})

    def compare(self, lines: list[Line]) -> HttpResponse:
        """The difference, with all that was typed, to be sent again."""
        if not lines:
            return self.show({"nothing": "Nothing differs from what the key has."})
        sent = [
            (name, value)
            for name, values in self.request.POST.lists() if name not in STEPS
            for value in values
        ]  # fmt: skip
        told = {
            "lines": lines, "sent": sent,
            "narrows": any(line.narrows for line in lines),
            "widens": any(line.widens for line in lines),
        }  # fmt: skip
        return self.show(told, template="keys/edit_confirm.html")

    def save(self, patch: KeyPatch) -> HttpResponse:
        """Call the verb."""
        changed = change_key(
            actor=self.actor, key_id=self.key_id, expected_version=self.version(), patch=patch
        )
        tell(self.request, f"{changed.key.name} was changed. The next check goes by it.",
             changed.propagation)  # fmt: skip
        return self.to("key", self.key_id)

    def refused(self, form: Form, refusal: Refusal) -> HttpResponse:
        status = STATUS.get(refusal.code, 400)
        if refusal.code != "PRECONDITION_FAILED":
            return self.show(status=status)
        with tenant_scope(self.tenant_id):
            key = self.key()
            told = {"stale": True, "meanwhile": since(key, self.version())}
        return self.show({"version": str(key.version), **told}, status=status)


def typed_of(key: ApiKey) -> dict[str, Any]:
    """The key as the form's fields hold it."""
    ends = key.expires_at.astimezone(UTC).replace(tzinfo=None) if key.expires_at else None
    return {
        "name": key.name,
        "owner": key.owner_id,
        "scopes": key.scopes,
        "expiry": "on" if ends else "never",
        "expires_on": ends.date().isoformat() if ends else "",
        "expires_time": ends.time().isoformat().removesuffix(":00") if ends else "",
        "allowed_cidrs": key.allowed_cidrs,
        "allowed_models": key.allowed_models,
        "purposes_rule": "any" if key.purposes is None else "only",
        "purposes": key.purposes or [],
        "metadata": [line_of(name, value) for name, value in key.metadata.items()],
    }


def patch_of(key: ApiKey, limits: list[dict[str, Any]], typed: KeyForm) -> dict[str, Any]:
    """The members that were typed otherwise than they stand, as a merge patch.

    Compared as they would be typed, so that what a form can't show apart is left alone.
    """
    stands = {name: _trimmed(value) for name, value in typed_of(key).items()}
    old, new = body_of(stands, limits), typed.body()
    patch = {name: value for name, value in new.items() if not _same(name, old[name], value)}
    if "metadata" in patch:
        gone = {name: None for name in old["metadata"] if name not in new["metadata"]}
        fresh = {n: v for n, v in new["metadata"].items() if old["metadata"].get(n) != v}
        patch["metadata"] = {**gone, **fresh}
    return patch


def _trimmed(value: Any) -> Any:
    if isinstance(value, list):
        return [line.strip() for line in value if line.strip()]
    return value.strip()


def _same(name: str, old: Any, new: Any) -> bool:
    if name == "scopes":
        return set(old) == set(new)
    if name == "limits":
        return [_plain(limit) for limit in old] == [_plain(limit) for limit in new]
    return bool(old == new)


def _plain(limit: Mapping[str, Any]) -> dict[str, Any]:
    """A burst that equals the amount is the one that a limit has by itself."""
    same = limit.get("burst") in (None, limit["amount"])
    return {name: value for name, value in limit.items() if name != "burst" or not same}


def _shapes(metadata: Mapping[str, str], members: Mapping[str, Any]) -> dict[str, Any]:
    """A patch's members as the key would then have them (keys.governed.governed)."""
    shapes = {n: list(v) if isinstance(v, tuple) else v for n, v in members.items()}
    if "limits" in members:
        shapes["limits"] = [shape_of(limit) for limit in members["limits"]]
    if "metadata" in members:
        merged = {**metadata, **members["metadata"]}
        shapes["metadata"] = {n: v for n, v in merged.items() if v is not None}
    return shapes


def since(key: ApiKey, version: int) -> list[Step]:
    """What was changed after this version of the key, by whom, the latest first."""
    rows = entries(tenant=key.tenant_id, target=key.id).filter(object_version__gt=version)
    found = []
    for entry in rows[:20]:
        payload = payload_of(entry)
        fields = [LABELS.get(name, name) for name in told_in(payload).get("after") or {}]
        found.append(Step(sentence(entry, payload), entry.occurred_at, ", ".join(fields)))
    return found
