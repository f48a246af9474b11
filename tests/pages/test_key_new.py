"""Create a key: whose, what, and its secret once."""

import html
import json
import re
import subprocess
from typing import Any

import pytest

from keys.models import ApiKey
from portal.tenancy.apis import create_api, grant_api, withdraw_grant
from portal.tenancy.definitions import ScopeDefinition
from portal.tenancy.scope import tenant_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser, Page
from tests.processes import CheckServer

NEW = "/admin/keys/new/"
SECRET = re.compile(r"csk_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")


def keys_of(cast: Cast) -> list[ApiKey]:
    with tenant_scope(cast.tenant.id):
        return list(ApiKey.objects.order_by("created_at").prefetch_related("key_limits__limit"))


def place(cast: Cast) -> str:
    return f"{NEW}?tenant={cast.tenant.slug}"


def typed(cast: Cast, **changes: Any) -> dict[str, Any]:
    """A form that is filled in rightly, but for the `changes`."""
    return {"name": "billing", "owner": cast.memberships["developer"].id, **changes}


def fill(browser: Browser, cast: Cast, **changes: Any) -> Page:
    told = {name.replace("__", "-"): value for name, value in typed(cast, **changes).items()}
    return browser.send(place(cast), **told)


def error_beside(page: Page, name: str) -> str:
    """What stands beside a field as its error."""
    found = re.search(rf'id="id_{name}_error">([^<]*)<', page.html)
    return found[1] if found else ""


def test_first_a_tenant_is_chosen(acme: Cast, sol: Browser) -> None:
    page = sol.get(NEW)
    assert page.status == 200
    assert 'name="tenant"' in page.html
    page = sol.get(place(acme))
    assert "Create key for Acme" in page.text
    for people in ("Ada", "Ben", "Vera"):
        assert people in page.text


@pytest.mark.parametrize("slug", ["no-such-tenant", "../..", "<script>", "x" * 300])
def test_an_unknown_tenant_is_told_beside_the_field(sol: Browser, slug: str) -> None:
    for page in (sol.get(NEW, tenant=slug), sol.post(f"{NEW}?tenant={slug}", name="x")):
        assert page.status in (400, 404)
        assert "There is no such tenant. Nothing was changed." in page.text
        assert "<script>" not in page.html.replace("<script src", "")


def test_of_several_apis_one_is_chosen_and_none_is_told(acme: Cast, sol: Browser) -> None:
    other = create_api(
        actor=OPERATOR, slug=f"images-{acme.tenant.slug}", name="Images",
        scopes=[ScopeDefinition("images:write", "low", "Have images made")],
    )  # fmt: skip
    grant_api(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=other.id)
    page = sol.get(place(acme))
    assert "Which API is the key for?" in page.text
    address = f"{place(acme)}&api={other.slug}"
    page = sol.send(address, **typed(acme, scopes=["images:write"]))
    assert page.status == 200
    assert keys_of(acme)[0].api_id == other.id
    assert "may use no such API" in sol.get(f"{place(acme)}&api=nothing").text
    for api in (other, acme.api):
        withdraw_grant(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=api.id, reason="a test")
    assert "Acme may use no API yet" in sol.get(place(acme)).text


def test_the_secret_is_shown_once_and_works(acme: Cast, sol: Browser, checker: CheckServer) -> None:
    page = fill(
        sol, acme, environment="live", scopes=["chat:write", "models:read"], expiry="30",
        allowed_models="gpt-4o\nllama-3.3", metadata="team=payments\nstage = one ",
        limits__0__name="minute", limits__0__amount="600,000", limits__0__window="minute",
        limits__0__algorithm="smooth", limits__2__name="day", limits__2__amount="7",
        limits__2__unit="tokens", limits__2__shared_by="tenant",
    )  # fmt: skip
    assert page.status == 200
    assert page.headers["cache-control"].count("no-store") == 1
    (secret,) = set(SECRET.findall(page.html))
    assert page.html.count(secret) == 1
    assert "You will not see it again" in page.text
    assert "billing is ready" in page.text
    assert "minute: 600,000 requests a minute, smooth, for this key" in page.text
    assert "day: 7 tokens a day, calendar, shared by the tenant's keys" in page.text
    told = checker.check(
        acme.gateway_token, secret, scopes=["chat:write"], request={"model": "gpt-4o"}
    )
    assert told["code"] == "OK"
    (key,) = keys_of(acme)
    assert key.owner_id == acme.memberships["developer"].id
    assert key.metadata == {"team": "payments", "stage": "one"}
    assert key.allowed_models == ["gpt-4o", "llama-3.3"]
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).days in (29, 30)
    assert key.purposes is None
    limits = [(link.limit.name, link.limit.amount) for link in key.key_limits.all()]
    assert limits == [("minute", 600_000), ("day", 7)]
    assert events_of(key.id) == ["key.issued success"]
    for path in ("/admin/keys/", f"/admin/keys/{key.id}/edit/", place(acme)):
        assert secret[22:] not in sol.get(path).html


def test_the_ready_request_is_one_that_a_shell_sends_as_meant(acme: Cast, sol: Browser) -> None:
    page = fill(
        sol, acme, scopes=["models:read"], allowed_cidrs="203.0.113.0/24",
        allowed_models="it's \"$(touch no)\"",
    )  # fmt: skip
    (command,) = re.findall(r"<pre[^>]*>(curl .*?)</pre>", page.html, re.DOTALL)
    sent = subprocess.run(
        ["bash", "-c", 'curl() { printf "%s\\0" "$@"; }\n' + html.unescape(command)],
        env={"KEY": "K", "GATEWAY": "G"}, capture_output=True, check=True,
    ).stdout.decode().split("\0")  # fmt: skip
    assert sent[0].endswith("/v1/keys/check")
    assert sent[2] == "Authorization: Bearer G"
    assert json.loads(sent[6]) == {
        "key": "K",
        "scopes": ["models:read"],
        "request": {"ip": "203.0.113.1", "model": 'it\'s "$(touch no)"'},
    }


def test_a_reload_issues_nothing_and_says_which_key_was_made(acme: Cast, sol: Browser) -> None:
    form = {**sol.get(place(acme)).fields(), **typed(acme)}
    first = sol.post(place(acme), **form)
    assert SECRET.search(first.html)
    again = sol.post(place(acme), **form)
    assert again.status == 200
    assert not SECRET.search(again.html)
    (key,) = keys_of(acme)
    assert "billing was created already" in again.text
    assert "Nothing was issued now." in again.text
    assert f"/admin/keys/{key.id}/" in again.html


@pytest.mark.parametrize("once", ["", "forged", "a" * 5_000])
def test_a_form_without_its_token_issues_nothing(acme: Cast, sol: Browser, once: str) -> None:
    page = fill(sol, acme, once=once)
    assert page.status == 409
    assert "too old or not yours" in page.text
    assert page.fields()["name"] == ["billing"]
    assert keys_of(acme) == []


@pytest.mark.parametrize(
    ("changes", "field", "error"),
    [
        ({"name": ""}, "name", "1 to 128 characters are needed."),
        ({"name": "x" * 129}, "name", "1 to 128 characters are needed."),
        ({"name": "\u202eevil"}, "name", "bidirectional characters are not taken."),
        ({"name": "nul\0"}, "name", "Null characters are not allowed."),
        ({"owner": ""}, "owner", "Choose who answers for the key."),
        ({"owner": "mem_nobody"}, "owner", "An active membership of the tenant is needed."),
        ({"owner": "<script>"}, "owner", "An active membership of the tenant is needed."),
        ({"environment": "prod"}, "environment", "One of live, test is needed."),
        ({"environment": ""}, "environment", "One of live, test is needed."),
        ({"expiry": ""}, "expiry", "Choose when it ends."),
        ({"expiry": "31"}, "expiry", "Choose when it ends."),
        ({"expiry": "on"}, "expires_on", "Choose the day."),
        ({"expiry": "on", "expires_on": "2020-01-01"}, "expires_on", "This moment is past."),
        ({"expiry": "on", "expires_on": "tomorrow"}, "expires_on", "A moment such as"),
        ({"expiry": "on", "expires_on": "2099-02-01", "expires_time": "25:00"}, "expires_on",
         "A moment such as"),
        ({"expiry": "90", "expires_on": "2099-02-01"}, "expiry", "A day is given below"),
        ({"allowed_cidrs": "203.0.113.0/24\n203.0.113.7/24"}, "allowed_cidrs",
         "Line 2: Host bits are set"),
        ({"allowed_cidrs": "0.0.0.0/0"}, "allowed_cidrs", "Line 1: A live key"),
        ({"allowed_cidrs": "\n".join(f"10.0.{n}.0/24" for n in range(65))}, "allowed_cidrs",
         "At most 64 are taken."),
        ({"allowed_models": "fine\n" + "m" * 129}, "allowed_models",
         "Line 2: 1 to 128 characters are needed."),
        ({"purposes_rule": "only", "purposes": "p" * 65}, "purposes", "Line 1: 1 to 64"),
        ({"metadata": "team=payments\nnonsense"}, "metadata", "Line 2: A line such as"),
        ({"metadata": "a=1\na=2"}, "metadata", "Line 2: This name stands twice."),
        ({"metadata": f"a={'x' * 2_048}"}, "metadata", "At most 2048 bytes are taken."),
        ({"limits__0__name": "day"}, "limits-0-amount", "A whole number from 0"),
        ({"limits__1__amount": "5"}, "limits-1-name", "1 to 64 characters are needed."),
        ({"limits__1__name": "n", "limits__1__amount": "many"}, "limits-1-amount",
         "A whole number from 0"),
        ({"limits__1__name": "n", "limits__1__amount": "9" * 30}, "limits-1-amount",
         "A whole number from 0"),
        ({"limits__2__name": "n", "limits__2__amount": "1", "limits__2__unit": "Kilo Bytes"},
         "limits-2-unit", "are needed" ),
        ({"limits__2__name": "n", "limits__2__amount": "1", "limits__2__window": "year"},
         "limits-2-window", "One of second"),
        ({"limits__0__name": "n", "limits__0__amount": "1", "limits__0__burst": "3"},
         "limits-0-burst", "Only a smooth limit has a burst."),
        ({"limits__0__name": "n", "limits__0__amount": "1", "limits__1__name": "n",
          "limits__1__amount": "2"}, "limits-1-name", "Another limit of the key has this name."),
    ],
)  # fmt: skip
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_is_kept(
    acme: Cast, sol: Browser, changes: dict[str, str], field: str, error: str
) -> None:
    page = fill(sol, acme, scopes=["models:read"], **changes)
    assert page.status == 400
    told = error_beside(page, field)
    if field == "limits-2-unit":
        assert told
    else:
        assert error in told.replace("&#x27;", "'")
    assert "Nothing was saved." in page.text or "Null" in page.text
    sent = page.fields()
    assert sent["scopes"] == ["models:read"]
    for name, value in changes.items():
        name = name.replace("__", "-")
        if "\0" in value or (name == "owner") or value in ("prod", "year", "31"):
            continue
        assert "".join(sent.get(name, [""])).splitlines() == value.splitlines()
    assert keys_of(acme) == []


def test_everything_missing_is_told_at_once(acme: Cast, sol: Browser) -> None:
    once = sol.get(place(acme)).fields()["once"]
    page = sol.post(place(acme), once=once)
    assert page.status == 400
    for field in ("name", "owner", "environment", "expiry"):
        assert error_beside(page, field), field
    assert keys_of(acme) == []


def test_another_tenants_owner_and_api_are_as_unknown_as_any(
    acme: Cast, globex: Cast, sol: Browser
) -> None:
    page = fill(sol, acme, owner=globex.memberships["owner"].id)
    assert error_beside(page, "owner") == "An active membership of the tenant is needed."
    assert "may use no such API" in sol.get(f"{place(acme)}&api={globex.api.slug}").text
    assert keys_of(acme) == [] and keys_of(globex) == []


def test_a_scope_of_high_risk_is_shown_and_not_given(acme: Cast, sol: Browser) -> None:
    page = sol.get(place(acme))
    (box,) = re.findall(r'<input[^>]*value="files:write"[^>]*>', page.html)
    assert "disabled" in box
    assert "Needs a second signature" in page.text
    page = fill(sol, acme, scopes=["models:read", "files:write", "made:up"])
    assert page.status == 400
    assert "made:up: The Api has no such scope." in page.text
    page = fill(sol, acme, scopes=["models:read", "files:write"])
    assert page.status == 403
    assert "files:write: A scope of high risk needs a second person" in page.text
    assert keys_of(acme) == []
    assert "access.refused denied" in events_of(acme.tenant.id)


def test_more_rows_are_given_without_losing_what_was_typed(acme: Cast, sol: Browser) -> None:
    page = fill(sol, acme, add="rows", limits__0__name="minute", limits__0__amount="5",
                scopes=["models:read"], metadata="a=1")  # fmt: skip
    assert page.status == 200
    form = page.fields()
    assert form["rows"] == ["6"]
    assert form["limits-0-name"] == ["minute"]
    assert form["limits-5-unit"] == ["requests"]
    assert (form["name"], form["metadata"]) == (["billing"], ["a=1"])
    page = sol.post(place(acme), **{**form, "add": "rows"})
    assert page.fields()["rows"] == ["8"]
    assert 'name="add"' not in page.html
    assert keys_of(acme) == []
    page = sol.post(place(acme), **{**page.fields(), "rows": "999"})
    assert page.status == 200
    assert len(keys_of(acme)) == 1


def test_a_shared_limit_that_is_defined_otherwise_is_told_beside_it(
    acme: Cast, sol: Browser
) -> None:
    shared = {"limits__1__name": "pool", "limits__1__shared_by": "tenant"}
    assert fill(sol, acme, **shared, limits__1__amount="10").status == 200
    page = fill(sol, acme, **shared, limits__1__amount="11")
    assert page.status == 409
    assert "share it with another amount" in page.text
    assert len(keys_of(acme)) == 1


def test_an_auditor_is_refused_and_the_try_is_recorded(acme: Cast, ira: Browser) -> None:
    assert ira.get(place(acme)).status == 403
    assert ira.post(place(acme), **typed(acme)).status == 403
    assert keys_of(acme) == []
    assert "access.refused denied" in events_of(acme.tenant.id)


def test_what_people_wrote_is_text(acme: Cast, sol: Browser) -> None:
    nasty = '"><script>alert(1)</script>'
    for field in ("name", "allowed_models", "metadata", "purposes", "limits__0__name",
                  "limits__0__amount", "expires_time", "owner", "scopes"):  # fmt: skip
        page = fill(sol, acme, expiry="", **{field: nasty})
        assert page.status == 400
        assert "<script>alert" not in page.html, field
    page = fill(sol, acme, name=nasty, allowed_models=nasty, metadata=f"a={nasty}")
    assert page.status == 200
    assert SECRET.search(page.html)
    assert "<script>alert" not in page.html


def test_a_page_costs_few_queries(acme: Cast, sol: Browser, queries: Any) -> None:
    with queries() as told:
        assert sol.get(place(acme)).status == 200
    assert len(told) <= 15, [query["sql"][:90] for query in told]
