"""One gateway: its page, changing it, disabling it."""

from collections.abc import Callable
from typing import Any

import pytest

from portal.tenancy.apis import grant_api
from portal.tenancy.gateways import change_gateway, disable_gateway
from portal.tenancy.models import Gateway, GatewayTenant
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser
from tests.processes import CheckServer


def at(cast: Cast, *rest: str) -> str:
    return "/".join(["/admin/gateways", cast.gateway.id, *rest, ""])


def row(cast: Cast) -> Gateway:
    with platform_scope("tests look at a gateway"):
        return Gateway.objects.get(id=cast.gateway.id)


def bound(cast: Cast) -> set[str]:
    with platform_scope("tests look at bindings"):
        rows = GatewayTenant.objects.filter(gateway=cast.gateway)
        return set(rows.values_list("tenant__slug", flat=True))


def test_the_page_says_what_a_gateway_is_and_how_to_set_it_up(acme: Cast, ira: Browser) -> None:
    page = ira.get(at(acme))
    for words in (
        "edge Active", "live and test", "anywhere", acme.tenant.name,
        "auth_request /_countersign;", 'default "csg_live_..."', "created gateway",
    ):  # fmt: skip
        assert words in page.text
    assert f"/admin/ledger/?target={acme.gateway.id}" in page.html
    assert "/v1/docs" in page.html


def test_the_recipe_has_the_portal_s_own_address(
    acme: Cast, sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASE_URL", "http://portal.test:9999")
    assert "server portal.test:9999;" in sol.get(at(acme)).text
    monkeypatch.setenv("BASE_URL", "https://portal.test")
    assert "server 127.0.0.1:8000;" in sol.get(at(acme)).text


def test_the_page_asks_little_of_the_database(
    acme: Cast, sol: Browser, queries: Callable[[], Any]
) -> None:
    for path in (at(acme), at(acme, "edit"), at(acme, "disable")):
        with queries() as told:
            assert sol.get(path).status == 200
        assert len(told) <= 15, path


def test_a_gateway_that_is_not_there_is_not_found(sol: Browser) -> None:
    for rest in ("", "edit/", "disable/"):
        assert sol.get(f"/admin/gateways/gw_nothing/{rest}").status == 404


# ---- Changing


def test_a_gateway_is_changed_after_a_look_at_the_difference(
    acme: Cast, globex: Cast, sol: Browser
) -> None:
    grant_api(actor=OPERATOR, tenant_id=globex.tenant.id, api_id=acme.api.id)
    path = at(acme, "edit")
    typed: dict[str, Any] = {
        "name": "edge & co", "tenants": [acme.tenant.id, globex.tenant.id],
        "environments": ["live"], "allowed_cidrs": "10.0.4.0/24", "more_headers": "X-Team",
        "headers": ["X-Countersign-Purpose"],
    }  # fmt: skip
    page = sol.send(path, **typed, step="compare")
    assert "Name edge edge edge & co" in page.text
    assert "Environments Narrows live test live test" in page.text
    assert "Its own addresses Narrows any any 10.0.4.0/24 Headers Widens none none" in page.text
    assert f"Tenants Widens {acme.tenant.slug} {acme.tenant.slug} {globex.tenant.slug}" in page.text
    assert row(acme).version == 1
    assert sol.post(path, **page.fields(), step="save").goes_to == at(acme)
    after = row(acme)
    assert (after.name, after.version, after.environments) == ("edge & co", 2, ["live"])
    assert after.allowed_cidrs == ["10.0.4.0/24"]
    assert after.declared_headers == ["X-Countersign-Purpose", "X-Team"]
    assert bound(acme) == {acme.tenant.slug, globex.tenant.slug}
    assert events_of(acme.gateway.id)[-1] == "gateway.changed success"


def test_going_back_keeps_what_was_typed(acme: Cast, sol: Browser) -> None:
    page = sol.send(at(acme, "edit"), name="other", step="compare")
    back = sol.post(at(acme, "edit"), **page.fields(), step="back")
    assert back.fields()["name"] == ["other"]
    assert row(acme).version == 1


def test_a_gateway_as_it_is_is_not_saved(acme: Cast, sol: Browser) -> None:
    page = sol.send(at(acme, "edit"), step="compare")
    assert "Nothing differs. Nothing was saved." in page.text
    assert row(acme).version == 1


def test_a_gateway_without_a_tenant_says_its_price(acme: Cast, sol: Browser) -> None:
    page = sol.send(at(acme, "edit"), tenants=[], step="compare")
    assert "every check by it is KEY_UNKNOWN" in page.text
    assert sol.post(at(acme, "edit"), **page.fields(), step="save").status == 302
    assert bound(acme) == set()
    assert "It is bound to no tenant." in sol.get(at(acme)).text


def test_headers_of_another_case_are_the_same(acme: Cast, sol: Browser) -> None:
    change_gateway(
        actor=OPERATOR, gateway_id=acme.gateway.id, declared_headers=["x-countersign-subject"]
    )
    page = sol.send(at(acme, "edit"), step="compare")
    assert "Nothing differs." in page.text


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "1 to 128 characters are needed."),
        ({"environments": []}, "`live`, `test` or both are needed."),
        ({"tenants": ["ten_forged"]}, "This tenant may not use the gateway's Api."),
        ({"allowed_cidrs": "10.0.0.1/8"}, "Line 1:"),
        ({"more_headers": "X B"}, "Line 1: This is no header's name."),
        ({"name": "a\0b"}, "Null characters are not allowed."),
    ],
)
def test_a_wrong_change_is_said_by_its_field(
    acme: Cast, sol: Browser, typed: dict[str, Any], said: str
) -> None:
    for step in ("compare", "save"):
        page = sol.send(at(acme, "edit"), **{"name": "kept", **typed}, step=step)
        assert page.status == 400
        assert said in page.text
        assert "name" in typed or page.fields()["name"] == ["kept"]
    assert row(acme).version == 1


def test_a_stale_form_says_what_changed_meanwhile(acme: Cast, sol: Browser) -> None:
    path = at(acme, "edit")
    fields = {**sol.get(path).fields(), "name": "mine", "step": "save"}
    change_gateway(actor=OPERATOR, gateway_id=acme.gateway.id, name="theirs")
    page = sol.post(path, **fields)
    assert page.status == 412
    assert "tests changed gateway" in page.text
    assert page.fields()["name"] == ["mine"]
    assert row(acme).name == "theirs"
    again = sol.post(path, **page.fields(), step="compare")
    assert "Name theirs theirs mine" in again.text
    assert sol.post(path, **again.fields(), step="save").status == 302
    assert row(acme).name == "mine"


@pytest.mark.parametrize("version", ["", "x", "0", "9" * 30, "-1"])
def test_a_forged_version_is_stale(acme: Cast, sol: Browser, version: str) -> None:
    page = sol.send(at(acme, "edit"), name="mine", version=version, step="save")
    assert page.status == 412
    assert row(acme).name == "edge"


# ---- Disabling


def test_a_gateway_is_disabled_for_ever(acme: Cast, sol: Browser, checker: CheckServer) -> None:
    key = acme.issue().secret.reveal()
    assert checker.check(acme.gateway_token, key)["code"] == "OK"
    page = sol.get(at(acme, "disable"))
    assert "Every request through it is refused from then on." in page.text
    assert row(acme).disabled_at is None
    done = sol.send(at(acme, "disable"), reason="stolen <laptop>")
    assert done.goes_to == at(acme)
    assert checker.check(acme.gateway_token, key)["code"] == "CREDENTIAL_INVALID"
    assert "It was disabled" in sol.get(at(acme)).text
    assert "disabled already" in sol.get(at(acme, "disable")).text
    assert "stays as it is" in sol.get(at(acme, "edit")).text
    assert events_of(acme.gateway.id)[-1] == "gateway.disabled success"


@pytest.mark.parametrize("reason", ["", " ", "x" * 513, "a\u202eb", "a\0b"])
def test_a_reason_is_needed(acme: Cast, sol: Browser, reason: str) -> None:
    page = sol.send(at(acme, "disable"), reason=reason)
    assert page.status == 400
    assert 'class="error"' in page.html
    assert row(acme).disabled_at is None


def test_a_gateway_that_was_disabled_meanwhile_is_not_changed(acme: Cast, sol: Browser) -> None:
    fields = {**sol.get(at(acme, "edit")).fields(), "name": "mine", "step": "save"}
    disable_gateway(actor=OPERATOR, gateway_id=acme.gateway.id, reason="stolen")
    assert sol.post(at(acme, "edit"), **fields).status == 412
    now = {**fields, "version": str(row(acme).version)}
    assert sol.post(at(acme, "edit"), **now).status == 409
    assert row(acme).name == "edge"


@pytest.mark.parametrize("page", ["edit", "disable"])
def test_the_auditor_changes_nothing_and_the_try_is_recorded(
    acme: Cast, sol: Browser, ira: Browser, page: str
) -> None:
    fields = {**sol.get(at(acme, page)).fields(), "reason": "x", "name": "x", "step": "save"}
    assert ira.get(at(acme, page)).status == 403
    assert ira.post(at(acme, page), **fields).status == 403
    assert row(acme).version == 1
    assert events_of(acme.gateway.id)[-1] == "access.refused denied"
    for words in ("Change gateway", "Danger zone"):
        assert words in sol.get(at(acme)).text
        assert words not in ira.get(at(acme)).text
