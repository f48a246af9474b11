"""What must hold whatever broke: I1, I2 and I6, from what was told and what PostgreSQL has."""

from collections import Counter, defaultdict
from typing import Any

import psycopg

from keys.codes import Code
from portal.core.names import name
from tests.faults.load import ANY, BY_RATE, BY_SECOND, CALENDAR, NEVER, SMOOTH, Load
from tests.invariants.stand import Stand, ask, eventually
from tests.invariants.traffic import Logged, assert_never_faster

TOLD = {
    "OK", "RATE_LIMITED", "QUOTA_EXCEEDED", "SCOPE_MISSING", "KEY_SUSPENDED", "KEY_REVOKED",
    "STORE_UNAVAILABLE",
}  # fmt: skip


def await_drained(stand: Stand) -> float:
    """Seconds until every decision is in PostgreSQL."""
    with stand.store() as store:
        return eventually(lambda: store.xlen(name("log")) == 0, 20)


def written(database: "psycopg.Connection[Any]", key: str) -> list[Logged]:
    """Every decision on a key as the drain wrote it, by time."""
    rows = database.execute(
        "SELECT round(extract(epoch FROM at) * 1000)::bigint, code, key_id, units, id::text"
        " FROM keys_decision WHERE key_id = %s",
        [key],
    ).fetchall()
    found = [Logged(at, Code[code], key_id, units, id) for at, code, key_id, units, id in rows]
    return sorted(found, key=lambda decision: decision.at)


def assert_failure_never_allowed(load: Load) -> None:
    """I6: an answer is a decision or a 503, and what may never be allowed never was."""
    never = {load.acme.keys[place].id for place in NEVER}
    codes: dict[bool, Counter[str]] = defaultdict(Counter)
    for seen in load.seen:
        assert (seen.told.status == 503) is (seen.told.code == "STORE_UNAVAILABLE")
        codes[seen.key in never][seen.told.code] += 1
    assert codes[True].keys() <= {"SCOPE_MISSING", "KEY_SUSPENDED", "STORE_UNAVAILABLE"}
    assert codes[False].keys() <= TOLD
    assert codes[False]["OK"] > 0
    print(dict(codes[False] + codes[True]))


def assert_withdrawn(load: Load) -> None:
    """I2: once it was complete, no question that began later got an allow."""
    for taken in load.taken:
        later = {s.told.code for s in load.seen if s.key == taken.key.id and s.began > taken.at}
        if taken.propagation == "complete":
            assert later <= {"KEY_REVOKED", "STORE_UNAVAILABLE"}, taken
    assert load.taken, "nothing was taken away"
    for taken in load.taken:
        for server in load.servers:
            now = ask(server, load.acme.gateway, taken.key.text)
            assert now.code == "KEY_REVOKED", taken


def assert_exact(stand: Stand, load: Load) -> None:
    """I1: no window and no stretch of time has more than its due, and each decision is one row."""
    with stand.database() as database:
        for place in (ANY, BY_SECOND, BY_RATE):
            key = load.acme.keys[place].id
            decisions = written(database, key)
            codes = {decision.id: decision.code.name for decision in decisions}
            assert len(codes) == len(decisions)
            told = [s.told for s in load.seen if s.key == key and s.told.status == 200]
            assert {x.body["decision_id"]: x.code for x in told}.items() <= codes.items()
            assert len({x.body["decision_id"] for x in told}) == len(told)
            if place == BY_SECOND:
                windows = Counter(d.at // 1000 for d in decisions if d.code is Code.OK)
                assert max(windows.values()) <= CALENDAR["amount"]
                assert Counter(codes.values())["QUOTA_EXCEEDED"], "the limit was never reached"
                assert_windows_are_as_decided(database, load, sum(windows.values()))
            if place == BY_RATE:
                assert_never_faster(decisions, SMOOTH)


def assert_windows_are_as_decided(
    database: "psycopg.Connection[Any]", load: Load, granted: int
) -> None:
    """The drain's windows, of which a lost Redis is restored, are the sum of what was granted."""
    row = database.execute(
        "SELECT sum(used) FROM keys_quotawindow WHERE tenant_id ="
        " (SELECT tenant_id FROM keys_apikey WHERE id = %s)",
        [load.acme.keys[BY_SECOND].id],
    ).fetchone()
    assert row == (granted,)


def assert_held(stand: Stand, load: Load) -> float:
    """All of it, after everything is back; seconds until the drain had caught up."""
    took = await_drained(stand)
    assert_failure_never_allowed(load)
    assert_withdrawn(load)
    assert_exact(stand, load)
    return took
