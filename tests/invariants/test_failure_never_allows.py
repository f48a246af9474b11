"""I6, failure never allows: what is lost is a 503, and what is left decides by the rules."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from keys.codes import Code
from keys.decision.script import DECIDE, DECIDED, ERR
from portal.core import embedded
from portal.core.ids import base62
from portal.core.names import name
from portal.core.tokens import checksum
from tests.invariants.scripted import Script
from tests.invariants.stand import Acme, Stand, ask, ask_at_once, eventually
from tests.invariants.traffic import body
from tests.processes import CheckServer

CHAT = {"name": "k", "environment": "live", "scopes": ["chat:write"]}
LIMITED = {**CHAT, "limits": [body("day", 1000, "day", "calendar")]}
KINDS: list[dict[str, Any]] = [
    LIMITED, {**CHAT, "scopes": []}, {**CHAT, "suspended": True},
    {**CHAT, "allowed_cidrs": ["10.0.0.0/8"]},
    {**CHAT, "limits": [body("no", 0, "day", "calendar")]},
]  # fmt: skip
CODES = ["OK", "SCOPE_MISSING", "KEY_SUSPENDED", "IP_NOT_ALLOWED", "QUOTA_EXCEEDED"]


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with embedded.throw_away() as running, Stand(running) as made:
        yield made


@pytest.fixture(scope="module")
def acme_there(stand: Stand) -> Acme:
    """Five kinds of keys, each ten times, and twenty that no process holds yet."""
    return stand.acme(*KINDS * 10, *[LIMITED] * 20)


@pytest.fixture(scope="module")
def server(stand: Stand, acme_there: Acme) -> Iterator[CheckServer]:
    """It holds the first fifty keys."""
    running = CheckServer(**stand.environment)
    assert_right(running, acme_there)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def portal(stand: Stand) -> Iterator[CheckServer]:
    running = CheckServer("all", **stand.environment)
    yield running
    running.stop()


def held(acme: Acme) -> list[str]:
    return [key.text for key in acme.keys[:50]]


def assert_right(server: CheckServer, acme: Acme) -> None:
    """All at once, each gets its own answer."""
    for key, told, code in zip(
        acme.keys, ask_at_once(server, acme.gateway, held(acme)), CODES * 10, strict=False
    ):
        assert (told.status, told.code, told.key) == (200, code, key.id)


def assert_no_allow(server: CheckServer, acme: Acme) -> float:
    """All at once, none is allowed; the longest that one waited."""
    told = ask_at_once(server, acme.gateway, held(acme))
    assert {(answer.status, answer.code) for answer in told} == {(503, "STORE_UNAVAILABLE")}
    return max(answer.took for answer in told)


def wrong_secret(text: str) -> str:
    forged = text[:-49] + base62(43)
    return forged + checksum(forged)


def manage(portal: CheckServer, acme: Acme, path: str, content: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {acme.token}", "Content-Type": "application/json"}
    status, _, answer = portal.call(
        "POST", f"/v1/tenants/{acme.slug}/keys{path}", headers=headers,
        body=json.dumps(content).encode(),
    )  # fmt: skip
    return status, json.loads(answer)


def recovered(portal: CheckServer, acme: Acme) -> float:
    """Seconds until verbs work: its pool drops connections to a server that is gone one by one."""
    return eventually(lambda: manage(portal, acme, "", CHAT)[0] == 201, 10)


def test_without_postgresql_what_is_held_decides_and_a_miss_is_a_503(
    stand: Stand, server: CheckServer, acme_there: Acme
) -> None:
    never_asked = acme_there.keys[50].text
    with stand.stopped(stand.postgresql):
        assert_right(server, acme_there)
        assert ask(server, acme_there.gateway, wrong_secret(held(acme_there)[0])).code == (
            "KEY_UNKNOWN"
        )
        missed = ask(server, acme_there.gateway, never_asked)
        assert (missed.status, missed.took < 2.5) == (503, True)
        stranger = wrong_secret("csg_live_" + base62(12) + "_" + "x" * 49)
        assert ask(server, stranger, held(acme_there)[0]).status == 503
    took = eventually(lambda: ask(server, acme_there.gateway, never_asked).code == "OK", 5)
    print(f"PostgreSQL back: a miss is read again after {1000 * took:.0f} ms")


def test_what_was_revoked_before_postgresql_stopped_is_not_allowed_from_memory(
    stand: Stand, server: CheckServer, portal: CheckServer, acme_there: Acme
) -> None:
    key = acme_there.keys[51]
    eventually(lambda: ask(server, acme_there.gateway, key.text).code == "OK", 5)
    status, answer = manage(portal, acme_there, f"/{key.id}/revoke", {"reason": "x"})
    assert (status, answer["propagation"]) == (200, "complete")
    with stand.stopped(stand.postgresql):
        assert ask(server, acme_there.gateway, key.text).status == 503
    eventually(lambda: ask(server, acme_there.gateway, key.text).code == "KEY_REVOKED", 5)


def test_without_postgresql_no_verb_says_that_it_did_something(
    stand: Stand, portal: CheckServer, acme_there: Acme
) -> None:
    key = acme_there.keys[52]
    recovered(portal, acme_there)
    with stand.stopped(stand.postgresql):
        for path, content in (("", CHAT), (f"/{key.id}/revoke", {"reason": "x"})):
            status, answer = manage(portal, acme_there, path, content)
            assert status == 503, answer
    print(f"PostgreSQL back: verbs work after {1000 * recovered(portal, acme_there):.0f} ms")


def test_without_redis_nothing_is_decided(
    stand: Stand, server: CheckServer, acme_there: Acme
) -> None:
    with stand.stopped(stand.redis):
        assert assert_no_allow(server, acme_there) < 1
        assert ask(server, acme_there.gateway, wrong_secret(held(acme_there)[0])).status == 503
    took = eventually(lambda: ask(server, acme_there.gateway, held(acme_there)[0]).code == "OK", 5)
    print(f"Redis back: decisions after {1000 * took:.0f} ms")
    assert_right(server, acme_there)


def test_what_is_taken_away_without_redis_is_published_when_it_is_back(
    stand: Stand, server: CheckServer, portal: CheckServer, acme_there: Acme
) -> None:
    key = acme_there.keys[53]
    recovered(portal, acme_there)
    eventually(lambda: ask(server, acme_there.gateway, key.text).code == "OK", 5)
    with stand.database() as database:
        waiting = "SELECT count(*) FROM core_outbox"
        with stand.stopped(stand.redis):
            status, answer = manage(portal, acme_there, f"/{key.id}/revoke", {"reason": "x"})
            assert (status, answer.get("propagation")) == (200, "pending"), answer
            time.sleep(0.5)
            assert database.execute(waiting).fetchone() == (1,)
            assert ask(server, acme_there.gateway, key.text).status == 503
        took = eventually(
            lambda: ask(server, acme_there.gateway, key.text).code == "KEY_REVOKED", 5
        )
        print(f"Redis back: revoked after {1000 * took:.0f} ms")
        eventually(lambda: database.execute(waiting).fetchone() == (0,), 2)


def test_a_redis_that_stands_still_is_a_503_soon_and_mixes_up_no_replies(
    stand: Stand, server: CheckServer, acme_there: Acme
) -> None:
    with stand.frozen(stand.redis):
        alone = ask(server, acme_there.gateway, held(acme_there)[0])
        assert alone.status == 503
        longest = assert_no_allow(server, acme_there)
        print(f"503 after {1000 * alone.took:.0f} ms, of fifty at once {1000 * longest:.0f} ms")
        assert alone.took < 0.6
        assert longest < 1.2
    for _ in range(5):
        assert_right(server, acme_there)


def test_a_reply_that_comes_late_is_nobody_elses(
    stand: Stand, server: CheckServer, acme_there: Acme
) -> None:
    """Questions are waiting when the replies to those before, which gave up, arrive."""
    with ThreadPoolExecutor(1) as aside:
        for _ in range(5):
            with stand.frozen(stand.redis):
                assert ask(server, acme_there.gateway, held(acme_there)[0]).status == 503
                waiting = aside.submit(ask_at_once, server, acme_there.gateway, held(acme_there))
                time.sleep(0.1)
            for key, answer, code in zip(
                acme_there.keys, waiting.result(), CODES * 10, strict=False
            ):
                assert (answer.status, answer.code, answer.key) in (
                    (200, code, key.id), (503, "STORE_UNAVAILABLE", None)
                )  # fmt: skip


def test_memory_that_is_lost_while_postgresql_is_away_allows_nothing_until_it_is_back(
    stand: Stand, server: CheckServer, acme_there: Acme
) -> None:
    key = held(acme_there)[0]
    with stand.stopped(stand.postgresql):
        stand.store().flushall()
        assert ask(server, acme_there.gateway, key).status == 503
    took = eventually(lambda: ask(server, acme_there.gateway, key).code == "OK", 15)
    print(f"a new era {1000 * took:.0f} ms after PostgreSQL is back")
    assert took < 5
    assert_right(server, acme_there)


def test_one_check_that_fails_in_the_script_fails_alone(
    stand: Stand, server: CheckServer, acme_there: Acme
) -> None:
    def counters() -> set[str]:
        return set(store.scan_iter(name("q", "*")))

    with stand.store() as store:
        before = counters()
        poisoned = acme_there.keys[54]
        assert ask(server, acme_there.gateway, poisoned.text).code == "OK"
        (counter,) = counters() - before
        store.delete(counter)
        store.lpush(counter, "no number")
        told = ask_at_once(server, acme_there.gateway, [*held(acme_there), poisoned.text])
        assert [answer.code for answer in told] == [*CODES * 10, "STORE_UNAVAILABLE"]
        store.delete(counter)
        assert ask(server, acme_there.gateway, poisoned.text).code == "OK"


def test_so_it_does_in_the_same_batch_in_any_place(checker: CheckServer) -> None:
    script = Script()
    counters = [base62(12) for _ in range(4)]
    script.store.lpush(name("b", counters[2]), "no bucket")

    def check(counter: str, algorithm: str) -> list[Any]:
        return [DECIDE, [], Code.OK, [], [counter, algorithm, 5, "day", 5, 0], [3], True, False]

    batch = [check(counters[n], "smooth" if n % 2 == 0 else "calendar") for n in range(4)]
    answers = script.ask(*batch).answers
    assert [answer[0] for answer in answers] == [DECIDED, DECIDED, ERR, DECIDED]
    assert [answer[1] for answer in script.ask(*batch).answers[:2]] == [
        Code.RATE_LIMITED, Code.QUOTA_EXCEEDED,
    ]  # fmt: skip
    script.close()


def test_what_can_not_be_logged_is_not_allowed(
    stand: Stand, server: CheckServer, acme_there: Acme
) -> None:
    with stand.store() as store:
        store.rename(name("log"), "aside")
        store.set(name("log"), "no stream")
        assert_no_allow(server, acme_there)
        store.rename("aside", name("log"))
    assert_right(server, acme_there)


def test_a_full_stream_is_a_503_for_refusals_too(stand: Stand, acme_there: Acme) -> None:
    with stand.store() as store:
        waiting = int(store.get(name("log:decisions")) or 0)
        full = CheckServer(**stand.environment, STREAM_CAP=str(waiting + 3))
        told = [ask(full, acme_there.gateway, key).code for key in held(acme_there)[:5]]
        assert told == [*CODES[:3], "STORE_UNAVAILABLE", "STORE_UNAVAILABLE"]
        assert int(store.get(name("log:decisions"))) == waiting + 3
        full.stop()
