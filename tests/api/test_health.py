"""/healthz, /readyz, /metrics."""

from typing import Any

import pytest
from django.db import OperationalError

from portal.core import health
from tests.api.answers import Api, is_problem, no_redis


def test_the_process_says_that_it_lives(api: Api) -> None:
    answer = api("GET", "/healthz")

    assert (answer.status, answer.body) == (200, {"status": "ok"})


def test_it_is_ready_when_everything_answers(api: Api) -> None:
    answer = api("GET", "/readyz")

    assert (answer.status, answer.body) == (
        200, {"status": "ok", "postgresql": "ok", "migrations": "ok", "redis": "ok"},
    )  # fmt: skip


def test_it_is_not_ready_without_redis(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = no_redis()
    monkeypatch.setattr(health, "client", lambda: dead)

    answer = api("GET", "/readyz")

    assert (answer.status, answer.body["redis"]) == (503, "away")
    assert api("GET", "/healthz").status == 200


def test_it_is_not_ready_without_postgresql(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise OperationalError("at /tmp/secret.sock")

    monkeypatch.setattr(health, "missing_migrations", lost)

    answer = api("GET", "/readyz")

    assert (answer.status, answer.body["postgresql"]) == (503, "away")
    assert b"secret.sock" not in answer.content


def test_it_is_not_ready_while_a_migration_is_missing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = health.wanted_migrations() | {("keys", "9999_tomorrow")}
    monkeypatch.setattr(health, "wanted_migrations", lambda: wanted)

    answer = api("GET", "/readyz")

    assert (answer.status, answer.body["migrations"]) == (503, "missing")
    assert health.missing_migrations() == ["keys.9999_tomorrow"]


def test_without_a_token_there_are_no_metrics(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METRICS_TOKEN", raising=False)

    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
        is_problem(api("GET", "/metrics", headers=headers), 404, "NOT_FOUND")


@pytest.mark.parametrize("sent", [None, "", "wrong", "scrape-me-0123456789x", "é"])
def test_with_another_token_neither(api: Api, monkeypatch: pytest.MonkeyPatch, sent: Any) -> None:
    monkeypatch.setenv("METRICS_TOKEN", "scrape-me-0123456789")
    headers = {} if sent is None else {"Authorization": f"Bearer {sent}"}

    is_problem(api("GET", "/metrics", headers=headers), 404, "NOT_FOUND")


def test_who_holds_the_token_reads_them(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_TOKEN", "scrape-me-0123456789")

    answer = api("GET", "/metrics", token="scrape-me-0123456789")

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"python_info" in answer.content
