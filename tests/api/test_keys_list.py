"""GET keys: pages, filters, cursors."""

import pytest

from tests.api.answers import Answer, Api, is_problem, keys_of, limits_of, pointers
from tests.cast import Cast


def names(answer: Answer) -> list[str]:
    return [key["name"] for key in answer.body["results"]]


def test_an_empty_list_is_an_empty_page(api: Api, acme: Cast) -> None:
    answer = api("GET", keys_of(acme), token=acme.token)

    assert answer.body == {"results": [], "next": None}


def test_the_newest_stands_first(api: Api, acme: Cast) -> None:
    for name in ("one", "two", "three"):
        acme.issue(name=name)

    assert names(api("GET", keys_of(acme), token=acme.token)) == ["three", "two", "one"]


def test_pages_hold_every_key_once_though_keys_are_issued_meanwhile(api: Api, acme: Cast) -> None:
    for number in range(7):
        acme.issue(name=f"key {number}")
    seen: list[str] = []
    path: str | None = f"{keys_of(acme)}?limit=3"
    while path:
        answer = api("GET", path, token=acme.token)
        assert len(answer.body["results"]) <= 3
        seen += names(answer)
        acme.issue(name="late")
        following = answer.body["next"]
        path = f"{keys_of(acme)}?limit=3&cursor={following}" if following else None

    assert seen == [f"key {number}" for number in reversed(range(7))]


def test_a_list_costs_the_same_queries_however_long_it_is(api: Api, acme: Cast) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for _ in range(2):
        for _ in range(3):
            acme.issue(limits=[])
        with CaptureQueriesContext(connection) as captured:
            api("GET", keys_of(acme), token=acme.token)
        counts.append(len([q for q in captured if "token_used" not in q["sql"]]))

    assert counts[0] == counts[1]


def test_filters_narrow(api: Api, acme: Cast) -> None:
    acme.issue(name="alpha", environment="test", owner=acme.memberships["developer"].id)
    beta = acme.issue(name="beta 100%_sure")
    api("POST", f"{keys_of(acme)}/{beta.key.id}/suspend", {"reason": "r"}, token=acme.token)
    kid = beta.secret.reveal().split("_")[2]

    for query, expected in {
        "environment=test": ["alpha"],
        "state=suspended": ["beta 100%_sure"],
        "state=active&environment=live": [],
        f"owner={acme.memberships['developer'].id}": ["alpha"],
        "owner=mem_nobody": [],
        "q=ALPH": ["alpha"],
        "q=%25_s": ["beta 100%_sure"],
        "q=%25": ["beta 100%_sure"],
        f"q={beta.key.id}": ["beta 100%_sure"],
        f"q={kid}": ["beta 100%_sure"],
        "q=%27+OR+1%3D1+--": [],
    }.items():
        assert names(api("GET", f"{keys_of(acme)}?{query}", token=acme.token)) == expected, query


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("stat=active", "?stat"),
        ("state=gone", "?state"),
        ("state=active&state=active", "?state"),
        ("environment=prod", "?environment"),
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("limit=-1", "?limit"),
        ("limit=ten", "?limit"),
        ("limit=%EF%BC%95", "?limit"),
        ("limit=1.0", "?limit"),
        ("limit=" + "9" * 200, "?limit"),
        ("cursor=", "?cursor"),
        ("cursor=x", "?cursor"),
        ("cursor=" + "x" * 600, "?cursor"),
        ("q=%00", "?q"),
        ("q=" + "x" * 300, "?q"),
        ("owner=%00", "?owner"),
        ("format=api", "?format"),
    ],
)
def test_what_no_list_takes_is_refused(api: Api, acme: Cast, query: str, pointer: str) -> None:
    answer = api("GET", f"{keys_of(acme)}?{query}", token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == [pointer]


def test_a_cursor_is_its_lists_and_its_tenants_alone(api: Api, acme: Cast, globex: Cast) -> None:
    for cast in (acme, globex):
        for _ in range(2):
            cast.issue()
    cursor = api("GET", f"{keys_of(acme)}?limit=1", token=acme.token).body["next"]
    changed = cursor[:-1] + ("a" if cursor[-1] != "a" else "b")

    for path, token in (
        (f"{keys_of(globex)}?cursor={cursor}", globex.token),
        (f"{limits_of(acme)}?cursor={cursor}", acme.token),
        (f"{keys_of(acme)}?cursor={changed}", acme.token),
    ):
        answer = api("GET", path, token=token)
        is_problem(answer, 400, "REQUEST_INVALID")
        assert pointers(answer) == ["?cursor"]


def test_head_answers_like_get_without_a_body(api: Api, acme: Cast) -> None:
    answer = api("HEAD", keys_of(acme), token=acme.token)

    assert (answer.status, answer.content) == (200, b"")
