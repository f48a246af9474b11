"""I2, withdrawn means withdrawn: no check that starts after the answer goes by the old state."""

import datetime as dt
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from keys.changing import change_key
from keys.definitions import parse_key_patch
from keys.issuing import Issued
from keys.revocation import revoke_key
from keys.suspension import resume_key, suspend_key
from portal.core import outbox, tokens
from portal.core.names import name
from portal.core.outbox import Propagation
from portal.core.versions import of_key
from portal.tenancy.apis import replace_routes, withdraw_grant
from portal.tenancy.gateways import change_gateway, create_gateway, disable_gateway
from portal.tenancy.memberships import disable_membership, enable_membership
from portal.tenancy.people import disable_person, enable_person
from portal.tenancy.tenants import resume_tenant, suspend_tenant
from tests.cast import OPERATOR, ROUTES, Cast
from tests.invariants.crowd import REQUEST, Crowd
from tests.invariants.scripted import LONG_AGO
from tests.invariants.traffic import Gate, body, seeded
from tests.plugin import ROOT
from tests.processes import CheckServer, check_servers

Verb = Callable[[Cast, Issued], Propagation]
PROCESSES = 3
NOTHING = body("none", 0, "day", "calendar")


@pytest.fixture(scope="module")
def fleet() -> Iterator[list[CheckServer]]:
    with check_servers(PROCESSES) as running:
        yield running


def issue(cast: Cast) -> Issued:
    """A key of Ben's, who can be disabled."""
    return cast.issue(scopes=["chat:write"], owner=str(cast.developer.membership_id))


def patched(**patch: object) -> Verb:
    return lambda cast, key: (
        change_key(actor=cast.owner, key_id=key.key.id, patch=parse_key_patch(patch)).propagation
    )


def gateway(**change: Any) -> Verb:
    return lambda cast, _: change_gateway(actor=OPERATOR, gateway_id=cast.gateway.id, **change)


def member(verb: Callable[..., Propagation]) -> Verb:
    return lambda cast, _: verb(
        actor=OPERATOR, tenant_id=cast.tenant.id, reason="x",
        membership_id=str(cast.developer.membership_id),
    )  # fmt: skip


def person(verb: Callable[..., Propagation]) -> Verb:
    return lambda cast, _: verb(actor=OPERATOR, person_id=cast.developer.id, reason="x")


def tenant(verb: Callable[..., Propagation]) -> Verb:
    return lambda cast, _: verb(actor=OPERATOR, tenant_id=cast.tenant.id, reason="x")


def key_turn(verb: Callable[..., Any]) -> Verb:
    return lambda cast, key: verb(actor=cast.owner, key_id=key.key.id, reason="x").propagation


def routes(given: list[Any]) -> Verb:
    return lambda cast, _: replace_routes(actor=OPERATOR, api_id=cast.api.id, routes=given)


def rebind(cast: Cast, _: Issued) -> Propagation:
    return change_gateway(actor=OPERATOR, gateway_id=cast.gateway.id, tenant_ids=[cast.tenant.id])


TAKEN: dict[str, tuple[Verb, str]] = {
    "a revoked key": (key_turn(revoke_key), "KEY_REVOKED"),
    "a suspended key": (key_turn(suspend_key), "KEY_SUSPENDED"),
    "a narrowed scope list": (patched(scopes=["models:read"]), "SCOPE_MISSING"),
    "a narrowed address list": (patched(allowed_cidrs=["198.51.100.0/24"]), "IP_NOT_ALLOWED"),
    "a narrowed model list": (patched(allowed_models=["other"]), "MODEL_NOT_ALLOWED"),
    "a lowered limit": (patched(limits=[NOTHING]), "QUOTA_EXCEEDED"),
    "a disabled person": (person(disable_person), "OWNER_DISABLED"),
    "a disabled membership": (member(disable_membership), "OWNER_DISABLED"),
    "a suspended tenant": (tenant(suspend_tenant), "TENANT_SUSPENDED"),
    "a withdrawn route": (routes(ROUTES[1:]), "ROUTE_UNKNOWN"),
    "a withdrawn grant": (
        lambda cast, _: withdraw_grant(
            actor=OPERATOR, tenant_id=cast.tenant.id, api_id=cast.api.id, reason="x"
        ), "KEY_UNKNOWN",
    ),
    "a gateway's tenant": (gateway(tenant_ids=[]), "KEY_UNKNOWN"),
    "a gateway's environment": (gateway(environments=["test"]), "KEY_UNKNOWN"),
    "a gateway's address": (gateway(allowed_cidrs=["198.51.100.0/24"]), "CREDENTIAL_INVALID"),
    "a disabled gateway": (
        lambda cast, _: disable_gateway(actor=OPERATOR, gateway_id=cast.gateway.id, reason="x"),
        "CREDENTIAL_INVALID",
    ),
}  # fmt: skip
GIVEN: dict[str, tuple[Verb, Verb]] = {
    "a resumed key": (key_turn(suspend_key), key_turn(resume_key)),
    "a widened scope list": (patched(scopes=[]), patched(scopes=["chat:write"])),
    "a widened address list": (patched(allowed_cidrs=["10.0.0.0/8"]), patched(allowed_cidrs=[])),
    "an enabled person": (person(disable_person), person(enable_person)),
    "an enabled membership": (member(disable_membership), member(enable_membership)),
    "a resumed tenant": (tenant(suspend_tenant), tenant(resume_tenant)),
    "a route": (routes([]), routes(ROUTES)),
    "a gateway's tenant": (gateway(tenant_ids=[]), rebind),
}  # fmt: skip


@pytest.mark.parametrize("what", TAKEN)
def test_taken_away_it_is_gone_on_every_process(
    acme: Cast, fleet: list[CheckServer], what: str
) -> None:
    (verb, code), key = TAKEN[what], issue(acme)
    with Crowd(fleet, acme, key.secret.reveal()) as crowd:
        crowd.until_all_say("OK")
        assert verb(acme, key) == "complete"
        crowd.only(code, after=time.monotonic())


@pytest.mark.parametrize("what", GIVEN)
def test_given_back_it_is_there_on_every_process(
    acme: Cast, fleet: list[CheckServer], what: str
) -> None:
    (take, give), key = GIVEN[what], issue(acme)
    take(acme, key)
    with Crowd(fleet, acme, key.secret.reveal()) as crowd:
        crowd.until_answered(2)
        assert give(acme, key) == "complete"
        crowd.only("OK", after=time.monotonic())


def test_a_new_key_works_at_once_though_its_text_was_tried(
    acme: Cast, fleet: list[CheckServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    minted = tokens.mint("csk", "live")
    with Crowd(fleet, acme, minted.secret.reveal()) as crowd:
        crowd.until_all_say("KEY_UNKNOWN")
        monkeypatch.setattr(tokens, "mint", lambda *_: minted)
        issue(acme)
        crowd.only("OK", after=time.monotonic())


def test_so_does_a_new_gateway(
    acme: Cast, fleet: list[CheckServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    minted, key = tokens.mint("csg", "live"), issue(acme)
    with Crowd(fleet, acme, key.secret.reveal(), gateway=minted.secret.reveal()) as crowd:
        crowd.until_all_say("CREDENTIAL_INVALID")
        monkeypatch.setattr(tokens, "mint", lambda *_: minted)
        create_gateway(
            actor=OPERATOR, name="new", api_id=acme.api.id, tenant_ids=[acme.tenant.id],
            environments=["live"],
        )  # fmt: skip
        crowd.only("OK", after=time.monotonic())


def test_a_bump_that_races_with_a_load_wins(
    acme: Cast, fleet: list[CheckServer], store: "redis.Redis"
) -> None:
    """Processes that never saw the key load it while it is revoked, two hundred times."""
    chance, keys = seeded(), [issue(acme) for _ in range(200)]
    with Crowd(fleet, acme, keys[0].secret.reveal(), threads=1) as crowd:
        for key in keys:
            crowd.key = key.secret.reveal()
            time.sleep(chance.uniform(0, 0.006))
            assert key_turn(revoke_key)(acme, key) == "complete"
            answered = time.monotonic()
            if chance.random() < 0.3:  # as if the version had not been asked for in a day
                store.delete(name("v", of_key(key.key.id)))
            crowd.only("KEY_REVOKED", after=answered, each=1)
    told = {code for _, code in crowd.everything()}
    print({code: sum(c == code for _, c in crowd.everything()) for code in sorted(told)})
    assert "STORE_UNAVAILABLE" not in told


DIE: str = """
import os, sys, django
django.setup()
from keys.revocation import revoke_key
from portal.core import outbox
from tests.cast import OPERATOR
outbox.publish = lambda *_: os._exit(9)
revoke_key(actor=OPERATOR, key_id=sys.argv[1], reason="x")
"""


def die_between(key: Issued) -> None:
    """Revoke in a process that ends between its commit and its bump."""
    died = subprocess.run([sys.executable, "-c", DIE, key.key.id], cwd=ROOT, check=False)
    assert died.returncode == 9


def test_a_writer_that_dies_before_its_bump_is_repaired_in_half_a_second(
    acme: Cast, fleet: list[CheckServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "publish", lambda *_: "pending")
    took = []
    for number in range(6):
        key = issue(acme)
        with Crowd(fleet, acme, key.secret.reveal()) as crowd:
            crowd.until_all_say("OK")
            before = time.monotonic()
            if number:
                key_turn(revoke_key)(acme, key)
            else:
                die_between(key)
            committed = time.monotonic()
            crowd.until_all_say("KEY_REVOKED", within=5)
        allowed = [began for began, code in crowd.everything() if code == "OK"]
        took.append(max(allowed) - committed)
        assert max(allowed) > before
    print("repaired after", ", ".join(f"{1000 * seconds:.0f}" for seconds in took), "ms")
    assert max(took) < 1.0


def flush(store: "redis.Redis") -> None:
    store.flushdb()


def test_a_snapshot_from_before_redis_lost_its_memory_is_never_believed(
    acme: Cast, fleet: list[CheckServer], store: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, publish = seeded(), outbox.publish

    def flushed_between(*arguments: Any) -> Propagation:
        flush(store)
        return publish(*arguments)

    for number in range(24):
        key = issue(acme)
        gates = [Gate(server, acme) for server in fleet]
        for gate in gates:
            assert gate.check(key, request=REQUEST).body["code"] == "OK"
        with monkeypatch.context() as patch:
            if number % 3 == 0:
                flush(store)
                chance.choice(gates).check(issue(acme))  # someone begins a new era
            elif number % 3 == 1:
                patch.setattr(outbox, "publish", flushed_between)
            assert key_turn(revoke_key)(acme, key) == "complete"
        if number % 3 == 2 or chance.random() < 0.3:
            flush(store)
        for gate in chance.sample(gates, len(gates)):
            assert gate.check(key, request=REQUEST).body["code"] == "KEY_REVOKED"
            gate.connection.close()


def test_a_crowd_that_asks_while_redis_is_flushed_sees_no_old_state(
    acme: Cast, fleet: list[CheckServer], store: "redis.Redis"
) -> None:
    chance: random.Random = seeded()
    for _ in range(10):
        key = issue(acme)
        with Crowd(fleet, acme, key.secret.reveal()) as crowd:
            crowd.until_all_say("OK")
            flusher = threading.Timer(chance.uniform(0, 0.02), flush, [store])
            flusher.start()
            assert key_turn(suspend_key)(acme, key) == "complete"
            answered = time.monotonic()
            flusher.join()
            crowd.until_answered(3)
        after = {code for began, code in crowd.everything() if began > answered}
        assert "KEY_SUSPENDED" in after
        assert after <= {"KEY_SUSPENDED", "STORE_UNAVAILABLE"}


def test_an_end_is_computed_when_it_is_asked_for(
    acme: Cast, checker: CheckServer, store: "redis.Redis"
) -> None:
    end = dt.datetime.now(dt.UTC).replace(microsecond=7000) + dt.timedelta(hours=5)
    key = acme.issue(expires_at=end.isoformat())
    moment = int(end.timestamp() * 1000)
    try:
        with Gate(checker, acme) as gate:
            for at, code in ((-1, "OK"), (0, "KEY_EXPIRED"), (1, "KEY_EXPIRED"), (-1, "OK")):
                store.mset({name("offset"): LONG_AGO, name("clock"): moment + at})
                assert gate.check(key).body["code"] == code, at
    finally:
        store.delete(name("offset"), name("clock"))
