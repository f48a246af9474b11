"""`manage.py doctor` and the generated configuration document."""

from io import StringIO
from typing import Any, cast

import psycopg
import pytest
from django.core.management import call_command

from portal.core import configuration, health
from portal.core.configuration_doc import DOCUMENT, text
from portal.core.doctor import Finding, examine
from portal.core.doctor import postgresql as of_postgresql
from portal.core.doctor import redis as of_redis
from tests.api.answers import Database

SAFE = {
    "SECURE": "1",
    "BASE_URL": "https://portal.example",
    "ALLOWED_HOSTS": "portal.example",
    "COUNTERSIGN_TEST_CLOCK": "0",
    "DEBUG": "0",
}


@pytest.fixture
def safe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SAFE.items():
        monkeypatch.setenv(name, value)


def found(name: str) -> list[Finding]:
    return [finding for finding in examine() if finding.name == name]


def test_a_safe_installation_has_nothing_to_fail(safe: None) -> None:
    assert [str(finding) for finding in examine() if finding.level == "FAIL"] == []


def test_every_setting_is_looked_at(safe: None) -> None:
    names = {finding.name for finding in examine()}

    assert {setting.name for setting in configuration.REGISTRY} <= names


def test_the_command_ends_with_0_when_all_is_safe(safe: None) -> None:
    out = StringIO()

    call_command("doctor", stdout=out)

    assert out.getvalue().splitlines()[-1].endswith("0 unsafe")


def test_the_command_ends_with_1_when_something_is_not(
    safe: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECURE", "0")
    out = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=out)

    assert ended.value.code == 1
    assert "FAIL  SECURE: is off. Unsafe in production" in out.getvalue()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "1"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "a" * 60),
        ("ALLOWED_HOSTS", "portal.example,*"),
        ("SECURE", "0"),
        ("SECURE", "perhaps"),
        ("BASE_URL", "http://portal.example"),
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
        ("TRUSTED_PROXIES", "nonsense"),
        ("COUNTERSIGN_TEST_CLOCK", "1"),
        ("OIDC_ISSUER", "http://login.example"),
        ("OIDC_ISSUER", "https://login.example"),  # without a client
        ("OIDC_ISSUER", "nonsense"),
        ("OIDC_ENFORCED", "1"),  # without a provider
        ("OIDC_PRIVATE_NETWORKS", "0.0.0.0/0"),
        ("DNS_SERVERS", "nonsense"),
        ("MAIL_URL", "smtp+plain://me:secret@mail.example"),
        ("MAIL_URL", "https://mail.example"),
        ("KEY_PEPPERS", "1:c2hvcnQ="),
        ("KEY_PEPPERS", "nonsense"),
        ("KEY_BRAND", "TOOLONG"),
        ("API_RATE", "many"),
    ],
)
def test_what_is_unsafe_fails_and_no_value_of_a_secret_is_shown(
    safe: None, monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    monkeypatch.setenv(name, value)

    (finding,) = found(name)

    assert finding.level == "FAIL"
    assert finding.hint
    if name in {"SECRET_KEY", "KEY_PEPPERS", "MAIL_URL"}:
        assert value not in str(finding)


def test_a_missing_setting_fails(safe: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")

    (finding,) = found("DATABASE_URL")

    assert finding.level == "FAIL"
    assert "is not set" in str(finding)


def test_the_owner_as_application_role_fails(safe: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("DATABASE_URL", os.environ["DATABASE_OWNER_URL"])

    levels = {finding.name: finding for finding in examine()}

    assert levels["application role"].level == "FAIL"
    assert "owns" in levels["application role"].text


def test_one_role_for_both_is_warned_of(safe: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_CHECK_URL")

    assert [finding.level for finding in found("check role")] == ["warn"]


def test_a_lost_server_fails_without_its_address(
    safe: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:hunter2@/x?host=/nowhere")

    lines = [str(finding) for finding in examine() if finding.name == "DATABASE_URL"]

    assert any("can't be reached" in line for line in lines)
    assert not any("hunter2" in line for line in lines)


def test_row_security_that_is_off_is_named(safe: None, owner_db: Database) -> None:
    owner_db.execute("CREATE TABLE forgotten (tenant_id text)")
    try:
        (finding,) = found("row security")
    finally:
        owner_db.execute("DROP TABLE forgotten")

    assert (finding.level, "forgotten" in finding.text) == ("FAIL", True)


def test_a_missing_migration_is_named(safe: None, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = health.wanted_migrations() | {("keys", "9999_tomorrow")}
    monkeypatch.setattr(of_postgresql, "wanted_migrations", lambda: wanted)

    (finding,) = found("migrations")

    assert (finding.level, finding.text) == ("FAIL", "missing: keys.9999_tomorrow")


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"redis_version": "6.0.16"}, "Redis"),
        ({"maxmemory_policy": "allkeys-lru"}, "Redis maxmemory-policy"),
        ({"aof_enabled": 0}, "Redis appendonly"),
    ],
)
def test_an_unfit_redis_fails(
    safe: None, monkeypatch: pytest.MonkeyPatch, told: Any, name: str
) -> None:
    good = {"redis_version": "7.2.4", "maxmemory_policy": "noeviction", "aof_enabled": 1}

    class Fake:
        def info(self) -> dict[str, Any]:
            return {**good, **told}

    monkeypatch.setattr(of_redis, "client", Fake)

    assert [finding.level for finding in found(name)] == ["FAIL"]


def test_an_old_postgresql_fails() -> None:
    class Info:
        server_version = 140_009

    class Old:
        info = Info()

    (finding,) = of_postgresql._version(cast(Any, Old()))

    assert (finding.level, finding.text) == ("FAIL", "version 14.9")


def test_the_configuration_document_is_current() -> None:
    assert DOCUMENT.read_text() == text(), "run: python manage.py configuration_doc"


def test_it_has_a_line_for_every_setting() -> None:
    for setting in configuration.REGISTRY:
        assert f"| `{setting.name}` |" in text()


def test_the_check_role_reads_no_table(check_db: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        check_db.execute("SELECT * FROM tenancy_tenant")
