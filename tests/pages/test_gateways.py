"""The list of gateways, and making one: its credential is shown once."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest

from portal.core.ids import base62
from portal.tenancy.apis import create_api, grant_api
from portal.tenancy.gateways import create_gateway, disable_gateway
from portal.tenancy.models import Gateway
from portal.tenancy.pages import gateway_form, list_page
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser, Page
from tests.processes import CheckServer

LIST = "/admin/gateways/"
CREDENTIAL = re.compile(r"csg_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")


def new(cast: Cast) -> str:
    return f"/admin/gateways/new/?api={cast.api.id}"


def make(cast: Cast, name: str, **more: Any) -> Gateway:
    told: dict[str, Any] = {"environments": ["live"], "tenant_ids": [cast.tenant.id], **more}
    return create_gateway(actor=OPERATOR, name=name, api_id=cast.api.id, **told).gateway


def gateways_of(cast: Cast) -> list[str]:
    with platform_scope("tests look at gateways"):
        return sorted(Gateway.objects.filter(api=cast.api).values_list("name", flat=True))


def filled(cast: Cast, browser: Browser, **typed: Any) -> Page:
    """The form, filled in well but for `typed`."""
    good = {"name": "edge & eu", "tenants": [cast.tenant.id], "environments": ["live"]}
    return browser.send(new(cast), **{**good, **typed})


def test_a_gateway_is_listed_with_what_it_may_ask(acme: Cast, sol: Browser) -> None:
    made = make(
        acme, "edge-eu", allowed_cidrs=["10.0.4.0/24", "2001:db8::/48"],
        declared_headers=["X-Countersign-Subject"],
    )  # fmt: skip
    page = sol.get(LIST, api=acme.api.id)
    shown = f"csg_live_{made.kid[:4]}… {made.id} Copy {acme.tenant.slug} live 10.0.4.0/24 +1"
    assert f"{shown} 1 declared Active" in page.text
    assert made.kid not in page.html


def test_gateways_are_found_and_filtered(acme: Cast, globex: Cast, sol: Browser) -> None:
    made = make(acme, f"edge {base62(8)}", environments=["test"])
    for query in (
        {"q": made.name}, {"q": made.id}, {"q": f"csg_live_{made.kid[:6]}…"}, {"q": made.kid[:8]},
        {"api": acme.api.id, "environment": "test"},
        {"tenant": acme.tenant.slug, "status": "active"},
    ):  # fmt: skip
        page = sol.get(LIST, **query)
        assert page.status == 200
        assert made.id in page.html, query
        assert globex.gateway.id not in page.html, query
    disable_gateway(actor=OPERATOR, gateway_id=made.id, reason="moved")
    assert made.id not in sol.get(LIST, api=acme.api.id, status="active").html
    assert "Disabled" in sol.get(LIST, api=acme.api.id, status="disabled").text


def test_gateways_are_sorted_by_name(acme: Cast, sol: Browser) -> None:
    late, early = make(acme, "z"), make(acme, "a")
    up, down = (sol.get(LIST, api=acme.api.id, sort=sort).html for sort in ("name", "-name"))
    assert up.index(early.id) < up.index(late.id)
    assert down.index(late.id) < down.index(early.id)


def test_of_many_tenants_and_apis_only_the_one_asked_for_is_offered(
    acme: Cast, globex: Cast, sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("list_page", "gateways"):
        monkeypatch.setattr(f"portal.tenancy.pages.{module}.CHOOSABLE", 1)
    page = sol.get(LIST, api=acme.api.id, tenant=acme.tenant.slug)
    assert page.status == 200
    assert acme.gateway.id in page.html
    assert globex.tenant.slug not in page.html
    assert sol.get(LIST, tenant="a\0").status == 400


def test_the_file_holds_public_ids_and_nothing_of_secrets(acme: Cast, sol: Browser) -> None:
    make(acme, "@SUM(1)")
    answer = sol.get(LIST, api=acme.api.id, format="csv", sort="name")
    rows = list(csv.DictReader(io.StringIO(answer.html)))
    assert [row["name"] for row in rows] == ["'@SUM(1)", "edge"]
    assert rows[1]["tenants"] == acme.tenant.slug
    assert CREDENTIAL.search(answer.html) is None


def test_a_pasted_credential_is_neither_shown_nor_kept_and_is_recorded(
    acme: Cast, sol: Browser
) -> None:
    page = sol.get(LIST, q=acme.gateway_token, api=acme.api.id)
    assert page.status == 302
    assert page.goes_to == f"{LIST}?api={acme.api.id}&pasted=1"
    shown = sol.get(page.goes_to)
    assert "looks like a credential" in shown.text
    assert acme.gateway_token not in shown.html
    assert events_of(acme.gateway.id)[-1] == "credential.exposed denied"


def test_the_list_asks_little_of_the_database(
    acme: Cast, sol: Browser, queries: Callable[[], Any]
) -> None:
    for n in range(60):
        make(acme, f"edge-{n}")
    with queries() as told:
        assert sol.get(LIST, api=acme.api.id).status == 200
    assert len(told) <= 15


# ---- Making one


def test_a_gateway_s_credential_is_shown_once_and_works(
    acme: Cast, sol: Browser, checker: CheckServer
) -> None:
    page = filled(
        acme, sol, allowed_cidrs="10.0.0.0/8\n\n127.0.0.0/8", headers=["X-Countersign-Subject"]
    )
    assert page.status == 200
    assert page.headers["cache-control"].count("no-store")
    (credential,) = set(CREDENTIAL.findall(page.html))
    assert f'default "{credential}"; }}' in page.text
    assert "read -rs GATEWAY" in page.text
    assert "proxy_set_header X-Countersign-Subject $x_countersign_subject;" in page.text
    assert "edge &amp; eu is ready" in page.html
    assert checker.check(credential, acme.issue().secret.reveal())["code"] == "OK"
    assert credential not in sol.get(LIST).html


def test_a_reload_issues_nothing_and_says_so(acme: Cast, sol: Browser) -> None:
    fields: dict[str, Any] = {
        **sol.get(new(acme)).fields(), "name": "once", "tenants": [acme.tenant.id],
        "environments": ["live"],
    }  # fmt: skip
    first, second = sol.post(new(acme), **fields), sol.post(new(acme), **fields)
    assert CREDENTIAL.search(first.html)
    assert "once was created already" in second.text
    assert "Nothing was issued now." in second.text
    assert CREDENTIAL.search(second.html) is None
    assert gateways_of(acme) == ["edge", "once"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "1 to 128 characters are needed."),
        ({"name": "x" * 129}, "1 to 128 characters are needed."),
        ({"tenants": []}, "one tenant at least."),
        ({"tenants": ["ten_forged"]}, "This tenant may not use the gateway's Api."),
        ({"tenants": ["a\0"]}, "Null characters are not allowed."),
        ({"environments": []}, "`live`, `test` or both are needed."),
        ({"environments": ["live", "prod"]}, "`live`, `test` or both are needed."),
        ({"allowed_cidrs": "10.0.0.0/8\n10.0.0.1/8"}, "Line 2:"),
        (
            {"allowed_cidrs": "\n".join(f"10.0.{n}.0/24" for n in range(65))},
            "At most 64 are taken.",
        ),
        ({"more_headers": "X-A\nX B"}, "Line 2: This is no header's name."),
        ({"headers": ["X-Countersign-Subject"], "more_headers": "X B"}, "Line 1: This is no"),
        ({"headers": ["X Forged"]}, "This is no header's name."),
        ({"once": "forged"}, "This form is too old or not yours."),
    ],
)
def test_what_is_wrong_stands_by_its_field_and_nothing_is_made(
    acme: Cast, sol: Browser, typed: dict[str, Any], said: str
) -> None:
    page = filled(acme, sol, **typed)
    assert page.status in (400, 409)
    assert said in page.text
    assert CREDENTIAL.search(page.html) is None
    for name in ("name", "allowed_cidrs", "more_headers"):
        assert name not in typed or page.fields()[name] == [typed[name]]
    assert gateways_of(acme) == ["edge"]


def test_everything_that_is_wrong_is_said_at_once(acme: Cast, sol: Browser) -> None:
    page = filled(acme, sol, name="", tenants=[], environments=[], allowed_cidrs="x")
    assert page.html.count('class="field wrong"') == 4


def test_another_tenant_s_keys_are_not_asked_for(acme: Cast, globex: Cast, sol: Browser) -> None:
    page = filled(acme, sol, tenants=[acme.tenant.id, globex.tenant.id])
    assert page.status == 400
    assert globex.tenant.slug not in page.html
    grant_api(actor=OPERATOR, tenant_id=globex.tenant.id, api_id=acme.api.id)
    assert filled(acme, sol, tenants=[acme.tenant.id, globex.tenant.id]).status == 200


def test_many_tenants_are_named_by_their_slugs(
    acme: Cast, globex: Cast, sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant_api(actor=OPERATOR, tenant_id=globex.tenant.id, api_id=acme.api.id)
    for module in (gateway_form, list_page):
        monkeypatch.setattr(module, "CHOOSABLE", 1)
    wrong = filled(acme, sol, tenants=f"{acme.tenant.slug}\nnobody")
    assert "Line 2: This tenant may not use the gateway's Api." in wrong.text
    both = filled(acme, sol, tenants=f"{acme.tenant.slug}\n{globex.tenant.slug}")
    assert both.status == 200
    assert "Acme , Globex" in both.text


def test_an_api_is_chosen_first(
    acme: Cast, globex: Cast, sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.tenancy.pages.gateway.CHOOSABLE", 10_000)
    page = sol.get("/admin/gateways/new/")
    assert "Which?" in page.text
    assert acme.api.slug in page.text
    monkeypatch.setattr("portal.tenancy.pages.gateway.CHOOSABLE", 1)
    assert "Its id, api_…" in sol.get("/admin/gateways/new/").text
    missing = sol.get("/admin/gateways/new/", api="api_nothing")
    assert missing.status == 404
    assert "There is no such API." in missing.text
    assert sol.post("/admin/gateways/new/?api=api_nothing", name="x").status == 400


def test_an_api_that_nobody_may_use_has_no_gateway(sol: Browser) -> None:
    api = create_api(actor=OPERATOR, slug=f"bare-{base62(6).lower()}", name="Bare")
    page = sol.get("/admin/gateways/new/", api=api.id)
    assert "No tenant may use Bare yet" in page.text


def test_the_auditor_makes_none_and_the_try_is_recorded(
    acme: Cast, sol: Browser, ira: Browser
) -> None:
    assert "Create gateway" in sol.get(LIST).text
    assert "Create gateway" not in ira.get(LIST).text
    assert ira.get(new(acme)).status == 403
    before = events_of("new").count("access.refused denied")
    assert ira.post(new(acme), name="x").status == 403
    assert events_of("new").count("access.refused denied") == before + 1
    assert gateways_of(acme) == ["edge"]
