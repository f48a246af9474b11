"""Guessing costs the guesser: keys that exist stay held, whatever else is asked for."""

from concurrent.futures import ThreadPoolExecutor

from keys.issuing import Issued
from portal.core.ids import base62
from portal.core.tokens import checksum
from tests.cast import Cast
from tests.floods.floods import WATCHED, figure, unknown_key, valid_traffic
from tests.invariants.crowd import REQUEST
from tests.processes import CheckServer, check_servers

HELD, GUESSES = 100, 3_000


def ask_all(server: CheckServer, cast: Cast, keys: list[str]) -> list[str]:
    """The codes of these keys, asked through four connections."""

    def some(part: list[str]) -> list[str]:
        connection = server.connect()
        found = [
            server.check(cast.gateway_token, key, connection=connection, request=REQUEST)["code"]
            for key in part
        ]
        connection.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        return [code for codes in pool.map(some, [keys[n::4] for n in range(4)]) for code in codes]


def issue(cast: Cast, count: int) -> list[str]:
    keys: list[Issued] = [cast.issue(scopes=["chat:write"]) for _ in range(count)]
    return [issued.secret.reveal() for issued in keys]


def test_unknown_keys_evict_none_that_exist(acme: Cast) -> None:
    """As many are held as there is room for: one that gave way would be read again."""
    valid = issue(acme, HELD)
    with check_servers(1, HELD_KEYS=str(HELD), **WATCHED) as (server,):
        assert set(ask_all(server, acme, valid)) == {"OK"}
        with valid_traffic(server, acme, valid[0]):
            codes = ask_all(server, acme, [unknown_key() for _ in range(GUESSES)])
        assert set(codes) == {"KEY_UNKNOWN"}
        assert figure(server, "keys_held") == HELD
        before = figure(server, "snapshot_statements_total")
        assert before > 2, "guesses are looked up"
        assert set(ask_all(server, acme, valid)) == {"OK"}
        assert figure(server, "snapshot_statements_total") == before, "a key had to be read again"


def test_a_key_that_is_guessed_again_and_again_is_looked_up_once(acme: Cast) -> None:
    guessed = unknown_key()
    with check_servers(1, **WATCHED) as (server,):
        ask_all(server, acme, [guessed])
        before = figure(server, "snapshot_statements_total")
        assert set(ask_all(server, acme, [guessed] * 400)) == {"KEY_UNKNOWN"}
        assert figure(server, "snapshot_statements_total") == before


def test_wrong_secrets_of_a_key_cost_no_statement_and_leave_it_as_it_is(acme: Cast) -> None:
    (valid,) = issue(acme, 1)
    stems = [valid[:-49] + base62(43) for _ in range(400)]
    with check_servers(1, **WATCHED) as (server,):
        ask_all(server, acme, [valid])
        before = figure(server, "snapshot_statements_total")
        with valid_traffic(server, acme, valid):
            codes = ask_all(server, acme, [stem + checksum(stem) for stem in stems])
        assert set(codes) == {"KEY_UNKNOWN"}
        assert figure(server, "snapshot_statements_total") == before


def test_malformed_ones_reach_neither_store(acme: Cast) -> None:
    (valid,) = issue(acme, 1)
    with check_servers(1, **WATCHED) as (server,):
        ask_all(server, acme, [valid])
        statements = figure(server, "snapshot_statements_total")
        calls = figure(server, "script_calls_total")
        codes = ask_all(server, acme, [unknown_key()[:-1] + "!" for _ in range(400)])
        assert set(codes) == {"KEY_MALFORMED"}
        assert figure(server, "snapshot_statements_total") == statements
        # Their sum is written down once a second: a call for each network, and for the metrics.
        assert figure(server, "script_calls_total") - calls < 40
