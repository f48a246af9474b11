"""I5 by REST: what is another tenant's answers byte for byte like what does not exist."""

import pytest
from django.urls import URLPattern

from portal.urls import urlpatterns
from tests.api.answers import Answer, Api, is_problem
from tests.cast import Cast

RANDOM = {
    "keys": "key_000000000000", "limits": "lim_000000000000", "members": "mem_000000000000",
}  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACE")
NOT_IDS = [
    "key_x", "...", "%00", "key_%00", "%2F", "key%2Fx", "%C3%A9", "%FF", "%F0%9F%94%91",
    "%E2%80%AE", "x" * 5000, "'%20OR%201=1--", "%0a", "-", "null", "%25",
]  # fmt: skip


def tenant_routes() -> list[str]:
    """Every routed address below a tenant, as its pattern."""
    return sorted(
        str(each.pattern)
        for each in urlpatterns
        if isinstance(each, URLPattern) and str(each.pattern).startswith("v1/tenants/")
    )


ROUTES = tenant_routes()
WITH_ID = [route for route in ROUTES if "<str:id>" in route]


def path(route: str, tenant: str, object_id: str = "") -> str:
    return "/" + route.replace("<str:tenant>", tenant).replace("<str:id>", object_id)


def same(one: Answer, other: Answer) -> bool:
    """Two answers that nobody can tell apart; the request's id is the only difference."""
    hide = {"x-request-id", "date"}
    seen = [
        (answer.status, answer.content, {k: v for k, v in answer.headers.items() if k not in hide})
        for answer in (one, other)
    ]
    return seen[0] == seen[1]


@pytest.fixture
def foreign(api: Api, globex: Cast) -> dict[str, str]:
    """Ids of Globex's."""
    limit = {
        "name": "all", "unit": "requests", "amount": 5, "window": "day",
        "algorithm": "calendar", "shared_by": "tenant",
    }  # fmt: skip
    key = globex.issue(limits=[limit]).key
    rows = api("GET", f"/v1/tenants/{globex.tenant.slug}/limits", token=globex.token).body
    members = globex.memberships["developer"].id
    return {"keys": key.id, "limits": rows["results"][0]["id"], "members": members}


def test_there_are_routes_to_try() -> None:
    assert len(ROUTES) >= 8
    assert len(WITH_ID) >= 5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", WITH_ID)
def test_a_foreign_id_is_a_random_one(
    api: Api, acme: Cast, foreign: dict[str, str], route: str, method: str
) -> None:
    kind = route.split("/")[3]
    bodies = {"POST": {"reason": "r"}, "PATCH": {"name": "x"}}
    answers = [
        api(
            method, path(route, acme.tenant.slug, object_id), bodies.get(method), token=acme.token,
            headers={"If-Match": '"1"', "Idempotency-Key": "k"},
        )
        for object_id in (foreign[kind], RANDOM[kind])
    ]  # fmt: skip

    assert same(*answers)
    assert answers[0].status in {404, 405}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", ROUTES)
def test_a_foreign_tenant_is_one_that_is_none(
    api: Api, acme: Cast, globex: Cast, foreign: dict[str, str], route: str, method: str
) -> None:
    kind = route.split("/")[3]
    bodies = {"POST": {"name": "x", "environment": "live", "scopes": []}}
    answers = [
        api(
            method, path(route, slug, foreign.get(kind, "")), bodies.get(method), token=acme.token,
            headers={"If-Match": '"1"'},
        )
        for slug in (globex.tenant.slug, "no-such-tenant")
    ]  # fmt: skip

    assert same(*answers)
    assert answers[0].status in {404, 405}


@pytest.mark.parametrize("route", WITH_ID)
@pytest.mark.parametrize("object_id", NOT_IDS)
def test_an_id_is_never_refused_by_its_shape(
    api: Api, acme: Cast, route: str, object_id: str
) -> None:
    method = "PATCH" if route.endswith("<str:id>") else "POST"
    if route.endswith("members/<str:id>"):
        method = "GET"  # nothing of a member is changed by REST but its end

    answer = api(method, path(route, acme.tenant.slug, object_id), {}, token=acme.token)

    is_problem(answer, 404, "NOT_FOUND")


@pytest.mark.parametrize("slug", NOT_IDS)
def test_nor_is_a_tenants_slug(api: Api, acme: Cast, slug: str) -> None:
    is_problem(api("GET", f"/v1/tenants/{slug}/keys", token=acme.token), 404, "NOT_FOUND")


def test_nothing_of_another_tenant_is_listed(
    api: Api, acme: Cast, globex: Cast, foreign: dict[str, str]
) -> None:
    for what in ("keys", "limits", "usage"):
        answer = api("GET", f"/v1/tenants/{acme.tenant.slug}/{what}", token=acme.token)
        assert answer.body["results"] == []


def test_foreign_names_are_no_filter(
    api: Api, acme: Cast, globex: Cast, foreign: dict[str, str]
) -> None:
    base = f"/v1/tenants/{acme.tenant.slug}"
    for query in (
        f"keys?q={foreign['keys']}",
        f"keys?owner={globex.memberships['owner'].id}",
        f"limits?key={foreign['keys']}",
        f"usage?key={foreign['keys']}",
    ):
        assert api("GET", f"{base}/{query}", token=acme.token).body["results"] == []


def test_a_replay_never_reaches_another_tenants_object(
    api: Api, acme: Cast, globex: Cast, foreign: dict[str, str]
) -> None:
    headers = {"Idempotency-Key": "shared"}
    theirs = f"/v1/tenants/{globex.tenant.slug}/keys/{foreign['keys']}/suspend"
    api("POST", theirs, {"reason": "r"}, token=globex.token, headers=headers)

    ours = f"/v1/tenants/{acme.tenant.slug}/keys/{foreign['keys']}/suspend"
    answer = api("POST", ours, {"reason": "r"}, token=acme.token, headers=headers)

    is_problem(answer, 404, "NOT_FOUND")
