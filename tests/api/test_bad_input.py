"""What no client of ours sends: a clear 4xx with a pointer, never a 5xx, nothing stored."""

import json
from typing import Any

import pytest
from django.test import Client

from portal.core.strictjson import LARGEST_BODY
from tests.api.answers import Api, is_problem, keys_of, pointers
from tests.cast import Cast

NEW = {"name": "n", "environment": "live", "scopes": []}


def raw(text: bytes) -> bytes:
    """A body in which `text` stands for the metadata member's value."""
    return b'{"name": "n", "environment": "live", "scopes": [], "metadata": ' + text + b"}"


BODIES = {
    "nothing": (b" ", ""),
    "not JSON": (b"{", ""),
    "a comment": (b"{} // x", ""),
    "two objects": (b"{}{}", ""),
    "an array": (b"[]", ""),
    "a text": (b'"x"', ""),
    "null": (b"null", ""),
    "a byte order mark": (b"\xef\xbb\xbf{}", ""),
    "UTF-16": ('{"name": "n"}'.encode("utf-16"), ""),
    "bad UTF-8": (b'{"name": "\xff"}', ""),
    "overlong UTF-8": (b'{"name": "\xc0\xaf"}', ""),
    "NaN": (raw(b'{"a": NaN}'), ""),
    "an infinity": (raw(b'{"a": -Infinity}'), ""),
    "a float beyond doubles": (raw(b'{"a": 1e999}'), ""),
    "thousands of digits": (raw(b'{"a": ' + b"9" * 5000 + b"}"), ""),
    "a doubled member": (b'{"name": "a", "name": "b"}', "/name"),
    "a doubled member, escaped": (b'{"name": "a", "n\\u0061me": "b"}', "/name"),
    "a doubled member, deep": (raw(b'{"a/b~": {"c": 1, "c": 2}}'), "/metadata/a~1b~0/c"),
    "NUL": (raw(b'{"a": "\\u0000"}'), "/metadata/a"),
    "NUL in a name": (raw(b'{"\\u0000": "a"}'), "/metadata"),
    "a lone surrogate": (raw(b'{"a": "\\ud800"}'), "/metadata/a"),
    "a lone surrogate in a name": (raw(b'{"\\udfff": "a"}'), "/metadata"),
    "deep objects": (raw(b'{"a":' * 500 + b"1" + b"}" * 500), ""),
    "deep arrays": (b"[" * 30_000, ""),
    "deep and closed": (b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}", ""),
    "17 levels": (b'{"a":' * 17 + b"1" + b"}" * 17, ""),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_can_be_read_in_two_ways_or_none_is_refused(
    api: Api, acme: Cast, name: str
) -> None:
    body, pointer = BODIES[name]

    answer = api("POST", keys_of(acme), raw=body, token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == [pointer]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "pay\u202ement"}, "/name"),
        ({"name": "tab\there"}, "/name"),
        ({"name": "zero\u200bwidth"}, "/name"),
        ({"name": "\u2066x\u2069"}, "/name"),
        ({"name": "   "}, "/name"),
        ({"scopes": ["ｃｈａｔ:write"]}, "/scopes/0"),
        ({"environment": "ｌｉｖｅ"}, "/environment"),
        ({"allowed_cidrs": ["１.2.3.4"]}, "/allowed_cidrs/0"),
        ({"allowed_cidrs": ["010.0.0.1"]}, "/allowed_cidrs/0"),
        ({"expires_at": "２０３０-01-01T00:00:00Z"}, "/expires_at"),
        ({"metadata": {"a": 1}}, "/metadata/a"),
        ({"metadata": []}, "/metadata"),
        ({"__proto__": {}}, "/__proto__"),
        ({"constructor": 1}, "/constructor"),
        ({"x" * 5000: 1}, None),
    ],
)
def test_what_reads_as_something_else_is_refused(
    api: Api, acme: Cast, change: Any, pointer: str
) -> None:
    answer = api("POST", keys_of(acme), {**NEW, **change}, token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointer is None or pointers(answer) == [pointer]
    assert len(answer.content) < 2_000


@pytest.mark.parametrize(
    "amount", ["-1", "1.5", "1e3", "1" + "0" * 30, "true", '"5"', "null", "[]"]
)
def test_an_amount_is_a_whole_number(api: Api, acme: Cast, amount: str) -> None:
    limit = (
        f'{{"name": "l", "unit": "requests", "amount": {amount}, "window": "day",'
        ' "algorithm": "calendar", "shared_by": "key"}'
    )
    body = f'{{"name": "n", "environment": "live", "scopes": [], "limits": [{limit}]}}'

    answer = api("POST", keys_of(acme), raw=body.encode(), token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == ["/limits/0/amount"]


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, 1_000_000, 3_000_000])
def test_a_large_body_is_413(api: Api, acme: Cast, size: int) -> None:
    body = b'{"name": "' + b"n" * (size - 12) + b'"}'
    assert len(body) == size

    is_problem(api("POST", keys_of(acme), raw=body, token=acme.token), 413, "BODY_TOO_LARGE")


def test_a_body_of_the_largest_size_is_read(api: Api, acme: Cast) -> None:
    body = json.dumps(NEW).encode().ljust(LARGEST_BODY)

    assert api("POST", keys_of(acme), raw=body, token=acme.token).status == 201


@pytest.mark.parametrize(
    "media", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
              "application/merge-patch+json", "application/jsonx", "*/*", "application/xml"],
)  # fmt: skip
def test_another_media_type_is_415(api: Api, acme: Cast, media: str) -> None:
    answer = api("POST", keys_of(acme), NEW, token=acme.token, content_type=media)

    is_problem(answer, 415, "MEDIA_TYPE")


def test_a_media_type_is_read_in_any_case_and_with_parameters(api: Api, acme: Cast) -> None:
    for media in ("Application/JSON", "application/json; charset=utf-8"):
        assert api("POST", keys_of(acme), NEW, token=acme.token, content_type=media).status == 201


def test_the_media_type_is_judged_before_the_size_and_the_size_before_the_body(
    api: Api, acme: Cast
) -> None:
    large = b"{" * 100_000

    is_problem(
        api("POST", keys_of(acme), raw=large, token=acme.token, content_type="text/plain"),
        415, "MEDIA_TYPE",
    )  # fmt: skip
    is_problem(api("POST", keys_of(acme), raw=large, token=acme.token), 413, "BODY_TOO_LARGE")


def test_a_body_without_a_length_is_read_all_the_same(acme: Cast) -> None:
    """A chunked body: DRF by itself would take it for none."""
    client = Client(raise_request_exception=False)
    response = client.generic(
        "POST", keys_of(acme), json.dumps(NEW).encode(), "application/json",
        headers={"Authorization": f"Bearer {acme.token}", "Transfer-Encoding": "chunked"},
        CONTENT_LENGTH="",
    )  # fmt: skip

    assert response.status_code in {201, 400}, response.content
    if response.status_code == 400:
        assert b"not JSON" in response.content  # WSGI's own reader stops at the length


@pytest.mark.parametrize(
    "host", ["evil/?", "a b", "", "example.com:99999999", "[::1", "evil.test", "a\\b"]
)
def test_a_malformed_or_foreign_host_is_400(api: Api, acme: Cast, host: str) -> None:
    answer = api("GET", keys_of(acme), token=acme.token, headers={"Host": host})

    is_problem(answer, 400, "REQUEST_INVALID")


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix",
               "X-HTTP-Method-Override", "X-Forwarded-User", "X-Countersign-Tenant"],
)  # fmt: skip
def test_a_forwarded_header_from_anyone_changes_nothing(
    api: Api, acme: Cast, globex: Cast, header: str
) -> None:
    for value in ("evil.test", f"/v1/tenants/{globex.tenant.slug}/keys", "DELETE"):
        answer = api("GET", keys_of(acme), token=acme.token, headers={header: value})
        assert (answer.status, answer.body) == (200, {"results": [], "next": None})


def test_a_credential_in_a_members_name_is_not_echoed(api: Api, acme: Cast) -> None:
    secret = acme.issue().secret.reveal()
    for body in (
        {**NEW, secret: 1},
        {**NEW, "metadata": {secret: {}}},
        {**NEW, "name": secret},
        {**NEW, "scopes": [secret]},
    ):
        answer = api("POST", keys_of(acme), body, token=acme.token)
        is_problem(answer, 400, "REQUEST_INVALID")
        assert secret[22:] not in answer.content.decode()


def test_a_doubled_credential_name_is_not_echoed(api: Api, acme: Cast) -> None:
    secret = acme.token.encode()

    answer = api(
        "POST", keys_of(acme), raw=b'{"%s": 1, "%s": 2}' % (secret, secret), token=acme.token
    )

    is_problem(answer, 400, "REQUEST_INVALID")
    assert secret[22:] not in answer.content


def test_nothing_of_it_was_stored(api: Api, acme: Cast) -> None:
    for body, _ in BODIES.values():
        api("POST", keys_of(acme), raw=body, token=acme.token)

    assert api("GET", keys_of(acme), token=acme.token).body["results"] == []
