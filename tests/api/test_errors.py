"""Errors: problems for programs, our own page for people, nothing of the inside in either."""

import json
from typing import Any

import pytest
from django.db import OperationalError

from portal.core.middleware import CSP
from portal.core.problem_codes import PROBLEMS, body
from portal.core.problems import problem_response
from tests.api.answers import Api, is_problem, keys_of
from tests.cast import Cast


def test_the_codes_are_the_contracts_and_one_for_our_own_bugs() -> None:
    assert {code: problem.status for code, problem in PROBLEMS.items()} == {
        "REQUEST_INVALID": 400, "CREDENTIAL_INVALID": 401, "FORBIDDEN": 403,
        "APPROVAL_REQUIRED": 403, "NOT_FOUND": 404, "METHOD_NOT_ALLOWED": 405,
        "REQUEST_TIMEOUT": 408, "CONFLICT": 409, "PRECONDITION_FAILED": 412,
        "BODY_TOO_LARGE": 413, "MEDIA_TYPE": 415, "IDEMPOTENCY_MISMATCH": 422,
        "PRECONDITION_REQUIRED": 428, "TOO_MANY_REQUESTS": 429, "HEADERS_TOO_LARGE": 431,
        "INTERNAL": 500, "STORE_UNAVAILABLE": 503, "AUDIT_STALLED": 503,
    }  # fmt: skip


def test_a_refusals_codes_are_all_problems() -> None:
    from typing import get_args

    from portal.core.refusals import Code

    assert set(get_args(Code)) <= set(PROBLEMS)


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_body_differs_by_its_code_alone(code: str) -> None:
    assert problem_response(code).content == problem_response(code).content
    assert set(body(code)) == {"type", "title", "status", "code", "detail"}


@pytest.mark.parametrize("code", ["STORE_UNAVAILABLE", "AUDIT_STALLED"])
def test_a_503_says_when_to_come_back(code: str) -> None:
    assert problem_response(code)["Retry-After"] == "1"


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/v1", "/v1/", "/v1/tenants/x/keys/", "/.well-known/x"]
)
def test_an_unknown_address_of_the_api_is_a_problem(api: Api, path: str) -> None:
    is_problem(api("GET", path), 404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/no-such-page", "/x/acme/", "/%00", "/é", "/" + "x" * 9000])
def test_an_unknown_page_is_a_page(api: Api, path: str) -> None:
    answer = api("GET", path)

    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")
    page = answer.content.decode()
    assert "NOT_FOUND" in page
    assert answer.headers["x-request-id"] in page
    assert answer.headers["content-security-policy"] == CSP


def test_the_csp_is_strict(api: Api) -> None:
    csp = api("GET", "/no-such-page").headers["content-security-policy"]

    assert "default-src 'none'" in csp
    assert "unsafe" not in csp
    assert "nonce" not in csp


def test_no_address_is_redirected_to_one_with_a_slash(api: Api, acme: Cast) -> None:
    assert api("GET", keys_of(acme) + "/", token=acme.token).status == 404
    assert api("POST", "/v1/docs/", {}).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_another_method_is_405_before_any_credential_is_asked_for(
    api: Api, acme: Cast, method: str
) -> None:
    answer = api(method, keys_of(acme))

    is_problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, POST, HEAD"


def test_an_override_of_the_method_overrides_nothing(api: Api, acme: Cast) -> None:
    answer = api(
        "POST", f"{keys_of(acme)}/key_x", {}, token=acme.token,
        headers={"X-HTTP-Method-Override": "PATCH"},
    )  # fmt: skip

    is_problem(answer, 405, "METHOD_NOT_ALLOWED")


def test_a_bug_is_a_500_that_tells_nothing(
    api: Api, acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("secret words in /srv/countersign")

    monkeypatch.setattr("keys.api.keys.page", breaks)

    answer = api("GET", keys_of(acme), token=acme.token)

    is_problem(answer, 500, "INTERNAL")
    assert b"secret words" not in answer.content
    assert b"Traceback" not in answer.content


def test_a_bug_on_a_page_is_a_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr("portal.front.render", breaks)

    answer = api("GET", "/")

    assert answer.status == 500
    assert "Something broke on our side" in answer.content.decode()
    assert b"secret words" not in answer.content
    assert answer.headers["content-security-policy"] == CSP


def test_a_lost_database_is_503(api: Api, acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("connection to /tmp/secret.sock failed")

    for target in ("portal.tenancy.authentication.proved", "keys.api.keys.page"):
        with monkeypatch.context() as patch:
            patch.setattr(target, lost)
            answer = api("GET", keys_of(acme), token=acme.token)
        is_problem(answer, 503, "STORE_UNAVAILABLE")
        assert answer.headers["retry-after"] == "1"
        assert b"secret.sock" not in answer.content


def test_a_lost_database_under_a_page_is_a_page_that_says_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("portal.front.render", lost)

    answer = api("GET", "/")

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert "STORE_UNAVAILABLE" in answer.content.decode()


def test_text_of_a_page_is_escaped(api: Api) -> None:
    page = api("GET", "/%3Cscript%3Ealert(1)%3C/script%3E").content.decode()

    assert "<script>" not in page


def test_accept_chooses_nothing(api: Api, acme: Cast) -> None:
    for accept in ("text/html", "application/xml", "nonsense", "*/*;q=0"):
        answer = api("GET", keys_of(acme), token=acme.token, headers={"Accept": accept})
        assert json.loads(answer.content) == {"results": [], "next": None}
