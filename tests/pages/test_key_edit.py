"""Change a key: the difference first, then saved against the version that was seen."""

import datetime as dt
import html
import re
from typing import Any

import psycopg
import pytest

from keys.changing import change_key
from keys.definitions import KeyPatch, parse_key_patch
from keys.governed import governed
from keys.models import ApiKey
from keys.revocation import revoke_key
from portal.core.clock import now
from portal.core.models import Outbox
from portal.tenancy.scope import tenant_scope
from tests.cast import Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser, Page
from tests.processes import CheckServer

Db = psycopg.Connection[Any]
MINUTE = {
    "name": "minute", "unit": "requests", "amount": 600, "window": "minute", "algorithm": "smooth",
    "shared_by": "key",
}  # fmt: skip
POOL = {
    "name": "pool", "unit": "tokens", "amount": 9_000, "window": "month", "algorithm": "calendar",
    "shared_by": "tenant",
}  # fmt: skip
WHOLE = {
    "name": "billing", "scopes": ["models:read", "chat:write"], "limits": [MINUTE, POOL],
    "allowed_cidrs": ["203.0.113.0/24", "2001:db8::/32"], "allowed_models": ["gpt-4o"],
    "purposes": ["support"], "metadata": {"team": "payments", "a=b": " c ", '"q': "x"},
    "expires_at": "2099-02-20T14:06:29.5Z",
}  # fmt: skip


def edit(key: ApiKey) -> str:
    return f"/admin/keys/{key.id}/edit/"


def stands(cast: Cast, key: ApiKey) -> dict[str, Any]:
    with tenant_scope(cast.tenant.id):
        found = ApiKey.objects.get(id=key.id)
        return {**governed(found), "version": found.version}


def save(browser: Browser, key: ApiKey, **changes: Any) -> Page:
    """Fill in the form, look at the difference, save it."""
    page = browser.send(edit(key), step="compare", **changes)
    assert page.status == 200, page.text[:800]
    assert "Nothing is saved yet." in page.text, page.text
    return browser.post(edit(key), **{**page.fields(), "step": "save"})


def diff(page: Page) -> str:
    """The words of the table of differences, with what goes and what comes marked."""
    table = page.html.partition('<table class="diff">')[2].partition("</table>")[0]
    marked = table.replace("<del>", "[-").replace("</del>", "-]")
    marked = marked.replace("<ins>", "[+").replace("</ins>", "+]")
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", marked).split()))


def error_beside(page: Page, name: str) -> str:
    found = re.search(rf'id="id_{name}_error">([^<]*)<', page.html)
    return html.unescape(found[1]) if found else ""


def test_a_form_that_is_sent_as_it_came_changes_nothing(acme: Cast, sol: Browser) -> None:
    key = acme.issue(**WHOLE).key
    before = stands(acme, key)
    page = sol.send(edit(key), step="compare")
    assert page.status == 200
    assert "Nothing differs from what the key has." in page.text
    assert stands(acme, key) == before


def test_what_would_change_is_shown_first_and_nothing_is_saved(acme: Cast, sol: Browser) -> None:
    key = acme.issue(**WHOLE).key
    before = stands(acme, key)
    page = sol.send(
        edit(key), step="compare", name="invoices", scopes=["chat:write", "embeddings:write"],
        owner=acme.memberships["developer"].id, allowed_cidrs="203.0.113.0/24",
        allowed_models="", purposes_rule="any", metadata="team=billing", expiry="never",
        **{"limits-0-amount": "300", "limits-1-name": "", "limits-1-amount": ""},
    )  # fmt: skip
    assert page.status == 200
    told = diff(page)
    assert "Name billing [-billing-] [+invoices+]" in told
    assert "Owner Ada [-Ada-] [+Ben+]" in told
    assert "[-models:read-] chat:write [+embeddings:write+]" in told
    assert "203.0.113.0/24 [-2001:db8::/32-]" in told
    assert "[-gpt-4o-] [+every model+]" in told
    assert "[-support-] [+any of the tenant's+]" in told
    assert "[-team=payments-] [+team=billing+]" in told
    assert "[-20 Feb 2099, 14:06:29 UTC-] [+no expiry+]" in told
    assert "[-minute: 600 requests a minute, smooth, for this key-]" in told
    assert "[+minute: 300 requests a minute, smooth, for this key+]" in told
    assert "[-pool: 9,000 tokens a month, calendar, shared by the tenant's keys-]" in told
    assert "Narrows" in told and "Widens" in told and "Both ways" in told
    assert "Takes effect on the very next check." in page.text
    assert stands(acme, key) == before
    assert events_of(key.id) == ["key.issued success"]


def test_saving_changes_what_was_shown_and_holds_on_the_next_check(
    acme: Cast, sol: Browser, checker: CheckServer
) -> None:
    issued = acme.issue(scopes=["models:read", "chat:write"])

    def code() -> str:
        secret = issued.secret.reveal()
        return str(checker.check(acme.gateway_token, secret, scopes=["chat:write"])["code"])

    assert code() == "OK"
    page = save(sol, issued.key, scopes=["models:read"], metadata="team=payments")
    assert (page.status, page.goes_to) == (302, f"/admin/keys/{issued.key.id}/")
    assert code() == "SCOPE_MISSING"
    assert stands(acme, issued.key)["metadata"] == {"team": "payments"}
    assert "a key was changed." in sol.get("/admin/keys/").text
    assert events_of(issued.key.id) == ["key.issued success", "key.changed success"]


def test_only_what_was_typed_otherwise_is_written(acme: Cast, sol: Browser) -> None:
    key = acme.issue(**WHOLE).key
    before = stands(acme, key)
    lines = sol.get(edit(key)).fields()["metadata"][0].splitlines()
    assert '"a=b": " c "' in lines
    save(sol, key, metadata="\n".join([line for line in lines if "team" not in line] + ["n=1"]))
    after = stands(acme, key)
    assert after.pop("metadata") == {"a=b": " c ", '"q': "x", "n": "1"}
    assert {**after, "version": 1} == {n: v for n, v in before.items() if n != "metadata"}


def test_a_limit_that_stays_goes_on_counting_and_its_burst_follows_its_amount(
    acme: Cast, sol: Browser, checker: CheckServer
) -> None:
    issued = acme.issue(limits=[{**MINUTE, "amount": 5}])
    checker.check(acme.gateway_token, issued.secret.reveal())
    save(sol, issued.key, **{"limits-0-amount": "3"})
    assert stands(acme, issued.key)["limits"] == [{**MINUTE, "amount": 3, "burst": 3}]


def test_a_stale_form_says_what_changed_meanwhile_and_keeps_what_was_typed(
    acme: Cast, sol: Browser
) -> None:
    key = acme.issue(name="billing").key
    form = {**sol.get(edit(key)).fields(), "name": "invoices", "metadata": "team=payments"}
    patch = parse_key_patch({"name": "ledger", "allowed_models": ["gpt-4o"]})
    change_key(actor=acme.owner, key_id=key.id, patch=patch)
    before = stands(acme, key)
    for step in ("compare", "save"):
        page = sol.post(edit(key), **{**form, "step": step})
        assert page.status == 412
        assert "This was changed while you looked at it. Nothing was saved." in page.text
        assert "Ada changed key “ledger”" in page.text
        assert "Models, Name" in page.text
        assert page.fields()["name"] == ["invoices"]
        assert page.fields()["metadata"] == ["team=payments"]
        assert stands(acme, key) == before
    page = sol.post(edit(key), **{**page.fields(), "step": "compare"})
    assert "[-ledger-] [+invoices+]" in diff(page)
    assert "[-gpt-4o-] [+every model+]" in diff(page)
    assert sol.post(edit(key), **{**page.fields(), "step": "save"}).status == 302
    assert stands(acme, key)["name"] == "invoices"


@pytest.mark.parametrize("version", ["", "0", "-1", "one", "1e0", "9" * 40, "２"])
def test_a_version_that_nobody_saw_saves_nothing(acme: Cast, sol: Browser, version: str) -> None:
    key = acme.issue(name="billing").key
    page = sol.send(edit(key), step="save", name="taken over", version=version)
    assert page.status == 412
    assert page.fields()["name"] == ["taken over"]
    assert stands(acme, key)["name"] == "billing"


@pytest.mark.parametrize(
    ("changes", "field", "error"),
    [
        ({"name": ""}, "name", "1 to 128 characters are needed."),
        ({"name": "x" * 129}, "name", "1 to 128 characters are needed."),
        ({"name": "nul\0"}, "name", "Null characters are not allowed."),
        ({"owner": ""}, "owner", "Choose who answers for the key."),
        ({"owner": "mem_nobody"}, "owner", "An active membership of the tenant is needed."),
        ({"expiry": "soon"}, "expiry", "Choose when it ends."),
        ({"expiry": "on", "expires_on": "2020-01-01"}, "expires_on", "This moment is past."),
        ({"expiry": "on", "expires_on": ""}, "expires_on", "Choose the day."),
        ({"allowed_cidrs": "here"}, "allowed_cidrs", "Line 1: This is no CIDR"),
        ({"allowed_cidrs": "::/0"}, "allowed_cidrs", "Line 1: A live key"),
        ({"allowed_models": "m" * 129}, "allowed_models", "Line 1: 1 to 128"),
        ({"purposes": "p" * 65}, "purposes", "Line 1: 1 to 64"),
        ({"metadata": "no sign"}, "metadata", "Line 1: A line such as"),
        ({"metadata": f"a={'x' * 2_040}"}, "metadata", "At most 2048 bytes are taken."),
        ({"limits-0-amount": "-5"}, "limits-0-amount", "A whole number"),
        ({"limits-0-unit": "concurrency"}, "limits-0-unit", "is not counted yet."),
    ],
)  # fmt: skip
def test_what_is_wrong_stands_beside_its_field_and_nothing_changes(
    acme: Cast, sol: Browser, changes: dict[str, str], field: str, error: str
) -> None:
    key = acme.issue(**WHOLE).key
    before = stands(acme, key)
    for step in ("compare", "save"):
        page = sol.send(edit(key), step=step, **changes)
        assert page.status == 400
        assert error in error_beside(page, field)
        for name, value in changes.items():
            if "\0" not in value and name not in ("owner", "expiry"):
                assert "".join(page.fields()[name]) == value
        assert stands(acme, key) == before


def test_another_tenants_owner_is_as_unknown_as_any(acme: Cast, globex: Cast, sol: Browser) -> None:
    key = acme.issue().key
    page = sol.send(edit(key), step="compare", owner=globex.memberships["owner"].id)
    assert error_beside(page, "owner") == "An active membership of the tenant is needed."


def test_a_scope_of_high_risk_is_not_added_and_the_try_is_recorded(
    acme: Cast, sol: Browser, owner_db: Db
) -> None:
    key = acme.issue(scopes=["models:read"]).key
    page = sol.send(edit(key), step="compare", scopes=["models:read", "files:write"])
    assert page.status == 403
    assert "files:write: A scope of high risk" in page.text
    assert events_of(key.id)[-1] == "access.refused denied"
    owner_db.execute(
        "UPDATE keys_apikey SET scopes = '{models:read,files:write}' WHERE id = %s", [key.id]
    )
    page = sol.get(edit(key))
    assert sorted(page.fields()["scopes"]) == ["files:write", "models:read"]
    save(sol, key, scopes=["models:read"])
    assert stands(acme, key)["scopes"] == ["models:read"]


def test_a_shared_limit_that_is_defined_otherwise_is_told_beside_it(
    acme: Cast, sol: Browser
) -> None:
    acme.issue(limits=[POOL])
    key = acme.issue(limits=[POOL]).key
    page = save(sol, key, **{"limits-0-amount": "1"})
    assert page.status == 409
    assert "share it with another amount" in page.text
    assert stands(acme, key)["limits"] == [POOL]


def test_an_expired_key_is_renamed_without_touching_its_end(
    acme: Cast, sol: Browser, owner_db: Db
) -> None:
    key = acme.issue().key
    owner_db.execute(
        "UPDATE keys_apikey SET expires_at = now() - interval '1 day' WHERE id = %s", [key.id]
    )
    save(sol, key, name="billing")
    assert stands(acme, key)["expires_at"] < now()
    save(sol, key, expiry="30")
    assert stands(acme, key)["expires_at"] > now() + dt.timedelta(days=29)


def test_a_revoked_key_stays_as_it_is(acme: Cast, sol: Browser) -> None:
    key = acme.issue(name="billing").key
    form = sol.get(edit(key)).fields()
    revoke_key(actor=acme.owner, key_id=key.id, reason="a test")
    page = sol.get(edit(key))
    assert "billing is revoked, and stays as it is" in page.text
    page = sol.post(edit(key), **{**form, "name": "other", "step": "save"})
    assert page.status == 409
    assert stands(acme, key)["name"] == "billing"


def test_editing_goes_on_with_what_was_typed_and_with_more_rows(acme: Cast, sol: Browser) -> None:
    key = acme.issue(**WHOLE).key
    page = sol.send(edit(key), step="compare", name="invoices")
    page = sol.post(edit(key), **{**page.fields(), "step": "back"})
    assert page.status == 200
    assert page.fields()["name"] == ["invoices"]
    page = sol.post(edit(key), **{**page.fields(), "add": "rows"})
    assert page.fields()["rows"] == ["8"]
    assert page.fields()["limits-1-name"] == ["pool"]
    assert page.fields()["version"] == ["1"]
    assert stands(acme, key)["name"] == "billing"


def test_a_change_that_redis_has_not_taken_is_told_as_a_warning(
    acme: Cast, sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = acme.issue(name="billing").key
    monkeypatch.setattr("portal.core.outbox.publish", lambda versions, outbox_id: "pending")
    save(sol, key, name="invoices")
    page = sol.get("/admin/keys/")
    assert '<li class="warning">' in page.html
    assert "invoices was changed." in page.text
    assert "Redis does not answer" in page.text
    with tenant_scope(acme.tenant.id):
        Outbox.objects.filter(versions__has_key=f"k:{key.id}").delete()


def test_what_people_wrote_is_text(acme: Cast, sol: Browser) -> None:
    nasty = '"><script>alert(1)</script>'
    key = acme.issue(
        name=nasty, allowed_models=[nasty], metadata={nasty: nasty}, purposes=[nasty]
    ).key
    assert "<script>alert" not in sol.get(edit(key)).html
    page = sol.send(edit(key), step="compare", name=nasty * 2, metadata=f"x={nasty}",
                    **{nasty: nasty})  # fmt: skip
    assert "Save these changes" in page.text
    assert "<script>alert" not in page.html
    form = sol.get(edit(key)).fields()
    change_key(actor=acme.owner, key_id=key.id, patch=KeyPatch({"name": nasty + "!"}))
    page = sol.post(edit(key), **{**form, "name": "x", "step": "save"})
    assert page.status == 412
    assert "<script>alert" not in page.html


def test_a_difference_costs_few_queries(acme: Cast, sol: Browser, queries: Any) -> None:
    key = acme.issue(**WHOLE).key
    form = {**sol.get(edit(key)).fields(), "name": "invoices", "step": "compare"}
    with queries() as told:
        assert "Nothing is saved yet." in sol.post(edit(key), **form).text
    mine = [q["sql"] for q in told if not re.match("BEGIN|COMMIT|SELECT set_config", q["sql"])]
    assert len(mine) <= 15, mine
