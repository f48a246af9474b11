"""What a key and a limit may be asked to be."""

from typing import Any

import pytest

from keys.definitions import parse_key_patch, parse_limit_patch, parse_new_key, parse_reason
from portal.core.refusals import Refusal
from portal.core.tokens import checksum

KEY = {"name": "billing", "environment": "live", "scopes": []}
DAY = {
    "name": "day", "unit": "requests", "amount": 5, "window": "day", "algorithm": "calendar",
    "shared_by": "key",
}  # fmt: skip
SMOOTH = {**DAY, "algorithm": "smooth"}
BODY = f"csk_live_{'A' * 12}_{'B' * 43}"
SECRET = BODY + checksum(BODY)


def pointers(body: dict[str, Any], read: Any = parse_new_key) -> list[str]:
    with pytest.raises(Refusal) as refused:
        read(body)
    assert refused.value.code == "REQUEST_INVALID"
    assert SECRET not in str(refused.value)
    return [error["pointer"] for error in refused.value.errors]


def test_the_least_that_a_key_needs_is_enough() -> None:
    key = parse_new_key(KEY)
    assert (key.scopes, key.limits, key.purposes, key.metadata) == ((), (), None, {})


def test_every_fault_is_told_at_once_with_its_pointer() -> None:
    assert pointers({"name": "", "scopes": [7], "colour": 1, "state": "active"}) == [
        "/colour", "/state", "/environment", "/name", "/scopes/0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("member", "value", "pointer"),
    [
        ("name", "x" * 129, "/name"),
        ("name", "   ", "/name"),
        ("name", "a\0b", "/name"),
        ("name", "a\nb", "/name"),
        ("name", "abc\u202edef", "/name"),
        ("name", SECRET, "/name"),
        ("name", 7, "/name"),
        ("environment", "prod", "/environment"),
        ("environment", ["live"], "/environment"),
        ("scopes", "chat:write", "/scopes"),
        ("scopes", None, "/scopes"),
        ("scopes", [f"s{i}" for i in range(65)], "/scopes"),
        ("scopes", ["ok", "s" * 65], "/scopes/1"),
        ("allowed_cidrs", ["10.0.0.1/8"], "/allowed_cidrs/0"),
        ("allowed_cidrs", ["10.0.0.0/8", "fe80::1%eth0"], "/allowed_cidrs/1"),
        ("allowed_cidrs", ["10.0.0.0/255.0.0.0"], "/allowed_cidrs/0"),
        ("allowed_cidrs", ["١٠.0.0.0/8"], "/allowed_cidrs/0"),
        ("allowed_cidrs", [10], "/allowed_cidrs/0"),
        ("allowed_models", ["m" * 129], "/allowed_models/0"),
        ("purposes", ["p" * 65], "/purposes/0"),
        ("metadata", {"a": {"b": "c"}}, "/metadata/a"),
        ("metadata", {"a": None}, "/metadata/a"),
        ("metadata", {"a/b~": 1}, "/metadata/a~1b~0"),
        ("metadata", {"a": "x" * 2_048}, "/metadata"),
        ("metadata", [], "/metadata"),
        ("expires_at", "2020-01-01T00:00:00Z", "/expires_at"),
        ("expires_at", "2999-01-01T00:00:00", "/expires_at"),
        ("expires_at", "2999-02-30T00:00:00Z", "/expires_at"),
        ("expires_at", 32503680000, "/expires_at"),
        ("expires_at", "9999-12-31T23:59:59-23:00", "/expires_at"),
        ("limits", {}, "/limits"),
        ("limits", [7], "/limits/0"),
        ("limits", [DAY] * 9, "/limits"),
        ("limits", [DAY, {**SMOOTH, "amount": 6}], "/limits/1/name"),
    ],
)
def test_a_member_that_can_t_be_is_refused_where_it_stands(
    member: str, value: object, pointer: str
) -> None:
    assert pointers({**KEY, member: value}) == [pointer]


@pytest.mark.parametrize(
    ("limit", "pointer"),
    [
        ({**DAY, "amount": -1}, "amount"),
        ({**DAY, "amount": 10**12 + 1}, "amount"),
        ({**DAY, "amount": 1.0}, "amount"),
        ({**DAY, "amount": True}, "amount"),
        ({**DAY, "amount": "5"}, "amount"),
        ({**DAY, "unit": "Requests"}, "unit"),
        ({**DAY, "unit": "u" * 33}, "unit"),
        ({**DAY, "unit": "concurrency"}, "unit"),
        ({**DAY, "window": "year"}, "window"),
        ({**DAY, "algorithm": "sliding"}, "algorithm"),
        ({**DAY, "shared_by": "owner"}, "shared_by"),
        ({**DAY, "burst": 5}, "burst"),
        ({**SMOOTH, "window": "month"}, "window"),
        ({**SMOOTH, "amount": 104_249_992}, "amount"),
        ({**SMOOTH, "burst": 104_249_992}, "burst"),
        ({**DAY, "id": "lim_1"}, "id"),
    ],
)
def test_a_limit_that_can_t_be_is_refused_where_it_stands(
    limit: dict[str, Any], pointer: str
) -> None:
    assert pointers({**KEY, "limits": [DAY | {"name": "other"}, limit]}) == [f"/limits/1/{pointer}"]


def test_the_largest_smooth_limit_that_is_exact_is_taken() -> None:
    [limit] = parse_new_key({**KEY, "limits": [{**SMOOTH, "amount": 104_249_991}]}).limits
    assert limit.burst == 104_249_991


def test_networks_are_kept_in_one_form() -> None:
    given = ["::ffff:10.0.0.0/104", "2001:DB8::/32", "192.0.2.7", "10.0.0.0/8"]
    kept = parse_new_key({**KEY, "allowed_cidrs": given}).allowed_cidrs
    assert kept == ("10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32")


def test_a_moment_is_kept_in_utc() -> None:
    end = parse_new_key({**KEY, "expires_at": "2999-01-01T01:00:00.5+01:00"}).expires_at
    assert end is not None and end.isoformat() == "2999-01-01T00:00:00.500000+00:00"


def test_in_a_patch_null_resets_what_a_key_has_by_itself() -> None:
    given = dict.fromkeys(
        ["limits", "allowed_cidrs", "allowed_models", "purposes", "metadata", "expires_at"]
    )
    assert parse_key_patch(given).members == {
        "limits": (), "allowed_cidrs": (), "allowed_models": (), "purposes": None,
        "metadata": None, "expires_at": None,
    }  # fmt: skip


@pytest.mark.parametrize("member", ["name", "owner", "scopes"])
def test_and_is_refused_for_what_a_key_has_to_have(member: str) -> None:
    assert pointers({member: None}, parse_key_patch) == [f"/{member}"]


@pytest.mark.parametrize("member", ["id", "tenant", "api", "environment", "state", "version"])
def test_what_never_changes_is_read_only(member: str) -> None:
    with pytest.raises(Refusal, match="read-only"):
        parse_key_patch({member: "x"})


def test_a_secret_in_a_members_name_is_not_told_back() -> None:
    [pointer] = pointers({**KEY, SECRET: 1})
    assert "[redacted]" in pointer


def test_a_shared_limit_takes_amount_and_burst_alone() -> None:
    assert parse_limit_patch({"amount": 7}).amount == 7
    assert pointers({"window": "day", "amount": None}, parse_limit_patch) == ["/window", "/amount"]


@pytest.mark.parametrize("reason", ["", "x" * 513, None, "a\0b", SECRET])
def test_a_reason_is_a_line_of_text(reason: object) -> None:
    assert pointers({"reason": reason}, parse_reason) == ["/reason"]
