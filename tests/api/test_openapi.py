"""The schema: current, complete, and true to real answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from drf_spectacular.validation import validate_schema
from jsonschema import Draft4Validator

from keys.codes import Code
from keys.models import ApiKey
from portal.core.management.commands.openapi import DOCUMENT
from portal.core.problem_codes import CONTENT_TYPE, PROBLEMS
from portal.openapi import document
from portal.urls import urlpatterns
from tests.api.answers import Api, keys_of, limits_of, usage_of
from tests.cast import Cast

METHODS = {"get", "post", "patch", "put", "delete"}


def nullable(schema: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: `nullable` is another type."""
    if isinstance(schema, list):
        return [nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: nullable(item) for name, item in schema.items()}
    return {"anyOf": [found, {"type": "null"}]} if schema.get("nullable") is True else found


def fits(body: Any, schema: Any) -> None:
    """Assert that a real answer is what the schema says."""
    whole = {**nullable(schema), "components": nullable(document()["components"])}
    errors = [error.message for error in Draft4Validator(whole).iter_errors(body)]
    assert not errors, errors


def answer_schema(path: str, method: str, status: int) -> dict[str, Any]:
    told = document()["paths"][path][method]["responses"][str(status)]["content"]
    schema: dict[str, Any] = next(iter(told.values()))["schema"]
    return schema


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, told in methods.items():
            if method in METHODS:
                yield path, method, told


def test_the_committed_schema_is_current() -> None:
    committed = json.loads(Path(DOCUMENT).read_text())

    assert committed == json.loads(json.dumps(document())), "run: python manage.py openapi"


def test_it_is_a_valid_openapi_document() -> None:
    validate_schema(document())


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(document())
    schemas = document()["components"]["schemas"]

    wanted = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert wanted <= set(schemas)


def test_every_routed_address_is_in_it() -> None:
    patterns = [str(each.pattern) for each in urlpatterns if "tenants" in str(each.pattern)]
    routed = {
        "/" + pattern.replace("<str:tenant>", "{tenant}").replace("<str:id>", "{id}")
        for pattern in patterns
    }

    assert routed == {path for path in document()["paths"] if "{tenant}" in path}


def test_it_says_every_method_that_a_view_takes() -> None:
    for each in urlpatterns:
        path = "/" + str(each.pattern).replace("<str:tenant>", "{tenant}").replace(
            "<str:id>", "{id}"
        )
        if "{tenant}" in path:
            takes = {method.lower() for method in cast(Any, each).callback.view_class.actions}
            assert set(document()["paths"][path]) & METHODS == takes, path


def test_the_check_path_is_in_it() -> None:
    paths = document()["paths"]

    assert {"/v1/keys/check", "/v1/authorize/nginx"} <= set(paths)
    codes = document()["components"]["schemas"]["Decision"]["properties"]["code"]["enum"]
    assert set(codes) == set(Code.__members__)


def test_its_examples_fit() -> None:
    schemas = document()["components"]["schemas"]
    check = document()["paths"]["/v1/keys/check"]["post"]

    fits(check["requestBody"]["content"]["application/json"]["example"], schemas["Question"])
    fits(check["responses"]["200"]["content"]["application/json"]["example"], schemas["Decision"])


def test_every_operation_names_its_problems_and_its_credential() -> None:
    for path, method, told in operations():
        assert told["security"], (path, method)
        assert "401" in told["responses"], (path, method)
        for status, response in told["responses"].items():
            if int(status) >= 400 and path != "/v1/authorize/nginx":
                assert CONTENT_TYPE in response["content"], (path, method, status)


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [told["operationId"] for _, _, told in operations()]

    assert len(ids) == len(set(ids))


def test_every_post_of_a_tenant_takes_an_idempotency_key_and_every_patch_needs_if_match() -> None:
    for path, method, told in operations():
        names = {p["name"]: p.get("required", False) for p in told.get("parameters", [])}
        if "{tenant}" in path and method == "post":
            assert names["Idempotency-Key"] is False
        if method == "patch":
            assert names["If-Match"] is True


@pytest.fixture
def full(acme: Cast) -> ApiKey:
    """A key with everything."""
    return acme.issue(
        scopes=["chat:write"],
        limits=[
            {"name": "a", "unit": "requests", "amount": 5, "window": "day",
             "algorithm": "calendar", "shared_by": "tenant"},
            {"name": "b", "unit": "tokens", "amount": 5, "window": "minute",
             "algorithm": "smooth", "shared_by": "key"},
        ],
        allowed_cidrs=["203.0.113.0/24"], allowed_models=["m"], purposes=["p"],
        metadata={"a": "b"}, expires_at="2999-01-01T00:00:00Z",
    ).key  # fmt: skip


def test_real_answers_fit_the_schema(api: Api, acme: Cast, full: ApiKey) -> None:
    one = f"{keys_of(acme)}/{full.id}"
    limit = api("GET", limits_of(acme), token=acme.token).body["results"][0]["id"]
    keys, limits = "/v1/tenants/{tenant}/keys", "/v1/tenants/{tenant}/limits"
    calls = [
        ("GET", keys_of(acme), None, keys, 200),
        ("POST", keys_of(acme), {"name": "n", "environment": "test", "scopes": []}, keys, 201),
        ("GET", one, None, f"{keys}/{{id}}", 200),
        ("PATCH", one, {"name": "m"}, f"{keys}/{{id}}", 200),
        ("POST", f"{one}/suspend", {"reason": "r"}, f"{keys}/{{id}}/suspend", 200),
        ("POST", f"{one}/resume", {"reason": "r"}, f"{keys}/{{id}}/resume", 200),
        ("POST", f"{one}/revoke", {"reason": "r"}, f"{keys}/{{id}}/revoke", 200),
        ("GET", limits_of(acme), None, limits, 200),
        ("GET", f"{limits_of(acme)}/{limit}", None, f"{limits}/{{id}}", 200),
        ("GET", usage_of(acme), None, "/v1/tenants/{tenant}/usage", 200),
        ("GET", f"{keys_of(acme)}/none", None, f"{keys}/{{id}}", 404),
        ("POST", keys_of(acme), {}, keys, 400),
        ("PATCH", one, {}, f"{keys}/{{id}}", 412),
    ]
    for method, path, body, template, status in calls:
        answer = api(method, path, body, token=acme.token, headers={"If-Match": '"1"'})
        assert answer.status == status, (method, path, answer.content)
        fits(answer.body, answer_schema(template, method.lower(), status))


def test_a_changed_limit_fits_the_schema(api: Api, acme: Cast, full: ApiKey) -> None:
    row = api("GET", f"{limits_of(acme)}?shared_by=tenant", token=acme.token).body["results"][0]

    answer = api(
        "PATCH", f"{limits_of(acme)}/{row['id']}", {"amount": 9}, token=acme.token,
        headers={"If-Match": '"1"'},
    )  # fmt: skip

    fits(answer.body, answer_schema("/v1/tenants/{tenant}/limits/{id}", "patch", 200))


def test_a_replay_fits_the_schema(api: Api, acme: Cast) -> None:
    body = {"name": "n", "environment": "test", "scopes": []}
    headers = {"Idempotency-Key": "k"}
    api("POST", keys_of(acme), body, token=acme.token, headers=headers)

    answer = api("POST", keys_of(acme), body, token=acme.token, headers=headers)

    fits(answer.body, answer_schema("/v1/tenants/{tenant}/keys", "post", 200))


def test_it_is_public(api: Api) -> None:
    answer = api("GET", "/v1/openapi.json")

    assert answer.status == 200
    assert answer.body["paths"].keys() == document()["paths"].keys()


def test_every_problem_code_that_it_names_exists() -> None:
    for _, _, told in operations():
        for response in told["responses"].values():
            for word in response["description"].split("`")[1::2]:
                assert word in PROBLEMS or not word.isupper()
