"""Who may ask: one answer for every credential that is not a living management token."""

import pytest
import redis

from portal.core import throttle, tokens
from portal.tenancy.management_tokens import revoke_management_token
from portal.tenancy.models import ManagementToken
from portal.tenancy.scope import tenant_scope
from tests.api.answers import Api, Database, is_problem, keys_of, kid_of, no_redis
from tests.cast import OPERATOR, Cast

REALM = 'Bearer realm="countersign"'


@pytest.fixture
def alone(store: redis.Redis) -> None:
    """Counts of refused credentials begin anew."""
    for key in store.scan_iter("*within:refused*"):
        store.delete(key)


def token_id(acme: Cast, text: str) -> str:
    with tenant_scope(acme.tenant.id):
        return ManagementToken.objects.get(kid=kid_of(text)).id


def entries(owner_db: Database) -> int:
    return len(owner_db.execute("SELECT 1 FROM ledger_entry").fetchall())


def broken_checksum(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def with_other_secret(text: str) -> str:
    body = text[:21] + "_" + "A" * 43
    assert kid_of(text) in body
    return body + tokens.checksum(body)


def end(acme: Cast, owner_db: Database, text: str, how: str) -> None:
    if how == "revoked":
        revoke_management_token(
            actor=OPERATOR, tenant_id=acme.tenant.id, token_id=token_id(acme, text), reason="over"
        )
    elif how == "expired":
        owner_db.execute(
            "UPDATE tenancy_managementtoken SET expires_at = now() - interval '1 second'"
            " WHERE id = %s",
            [token_id(acme, text)],
        )
    elif how == "membership disabled":
        owner_db.execute(
            "UPDATE tenancy_membership SET is_active = false WHERE id = %s",
            [acme.memberships["developer"].id],
        )
    elif how == "person disabled":
        owner_db.execute(
            "UPDATE tenancy_person SET is_active = false WHERE id = %s",
            [acme.memberships["developer"].person_id],
        )
    elif how == "tenant suspended":
        owner_db.execute(
            "UPDATE tenancy_tenant SET status = 'suspended' WHERE id = %s", [acme.tenant.id]
        )


def test_without_a_credential_no_error_is_named(api: Api, acme: Cast) -> None:
    answer = api("GET", keys_of(acme))

    is_problem(answer, 401, "CREDENTIAL_INVALID")
    assert answer.headers["www-authenticate"] == REALM


ENDS = (
    "revoked", "expired", "membership disabled", "person disabled", "tenant suspended",
)  # fmt: skip


@pytest.mark.parametrize("how", ENDS)
def test_a_token_that_has_ended_is_as_unknown_as_one_never_made(
    api: Api, acme: Cast, owner_db: Database, how: str
) -> None:
    text = acme.token_of("developer")
    assert api("GET", keys_of(acme), token=text).status == 200
    end(acme, owner_db, text, how)

    answers = [
        api("GET", keys_of(acme), token=token)
        for token in (text, tokens.mint("csm", "live").secret.reveal())
    ]

    is_problem(answers[0], 401, "CREDENTIAL_INVALID")
    assert answers[0].content == answers[1].content
    assert answers[0].headers["www-authenticate"] == answers[1].headers["www-authenticate"]


def test_every_bad_credential_is_one_answer(api: Api, acme: Cast) -> None:
    """I4's other half: what a credential is, or was, is told to nobody."""
    never = tokens.mint("csm", "live").secret.reveal()
    sent = {
        "nonsense": "nonsense",
        "empty": "",
        "unknown": never,
        "mistyped": broken_checksum(acme.token),
        "wrong secret": with_other_secret(acme.token),
        "a gateway's": acme.gateway_token,
        "an API key": acme.issue().secret.reveal(),
        "64 KiB": "c" * 65_536,
        "not ASCII": "csm_live_é",
    }
    answers = {
        name: api("GET", keys_of(acme), headers={"Authorization": f"Bearer {text}"})
        for name, text in sent.items()
    }

    assert {answer.content for answer in answers.values()} == {answers["unknown"].content}
    for name, answer in answers.items():
        is_problem(answer, 401, "CREDENTIAL_INVALID")
        assert answer.headers["www-authenticate"] == f'{REALM}, error="invalid_token"', name


@pytest.mark.parametrize(
    "header", ["Basic Y3NtOg==", "Bearer", "Token x", "Bearer a, Bearer b", "\t"]
)
def test_any_other_header_is_the_same(api: Api, acme: Cast, header: str) -> None:
    answer = api("GET", keys_of(acme), headers={"Authorization": header})

    is_problem(answer, 401, "CREDENTIAL_INVALID")
    assert answer.headers["www-authenticate"] == f'{REALM}, error="invalid_token"'


def test_the_schemes_name_is_read_in_any_case(api: Api, acme: Cast) -> None:
    for scheme in ("bearer", "BEARER"):
        answer = api("GET", keys_of(acme), headers={"Authorization": f"{scheme} {acme.token}"})
        assert answer.status == 200


def test_a_role_that_shrank_takes_the_token_with_it(
    api: Api, acme: Cast, owner_db: Database
) -> None:
    token = acme.token_of("developer", ["keys:read", "keys:write"])
    owner_db.execute(
        "UPDATE tenancy_membership SET role = 'viewer' WHERE id = %s",
        [acme.memberships["developer"].id],
    )

    body = {"name": "x", "environment": "live", "scopes": []}
    is_problem(api("POST", keys_of(acme), body, token=token), 403, "FORBIDDEN")
    assert api("GET", keys_of(acme), token=token).status == 200


def test_last_use_is_noted(api: Api, acme: Cast, owner_db: Database) -> None:
    api("GET", keys_of(acme), token=acme.token)

    used = owner_db.execute(
        "SELECT last_used_at IS NOT NULL FROM tenancy_managementtoken WHERE id = %s",
        [token_id(acme, acme.token)],
    ).fetchone()
    assert used == (True,)


def test_the_same_work_is_done_for_an_unknown_token(
    api: Api, acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, real = [], tokens.verify

    def noted(text: str, expected: bytes, pepper_id: int) -> bool:
        done.append(expected)
        return real(text, expected, pepper_id)

    monkeypatch.setattr(tokens, "verify", noted)

    for text in (acme.token, tokens.mint("csm", "live").secret.reveal()):
        api("GET", keys_of(acme), token=text)

    assert len(done) == 2


@pytest.mark.parametrize("where", ["?token={}", "?q=see+{}", "?{}=1", "?a=1&limit=5&q=%20{}%20"])
def test_a_credential_in_a_query_string_is_refused_and_its_exposure_recorded(
    api: Api, acme: Cast, where: str, owner_db: Database, store: redis.Redis
) -> None:
    for key in store.scan_iter("*within:exposed*"):
        store.delete(key)
    answer = api("GET", keys_of(acme) + where.format(acme.token), token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert acme.token[21:] not in answer.content.decode()
    entries = owner_db.execute(
        "SELECT type, tenant_id, object_id FROM ledger_entry WHERE request_id = %s",
        [answer.headers["x-request-id"]],
    ).fetchall()
    assert entries == [("credential.exposed", acme.tenant.id, token_id(acme, acme.token))]


def test_exposed_api_keys_and_gateways_are_known_too(
    api: Api, acme: Cast, owner_db: Database
) -> None:
    issued = acme.issue()
    for text, object_id in (
        (issued.secret.reveal(), issued.key.id),
        (acme.gateway_token, acme.gateway.id),
    ):
        answer = api("GET", f"{keys_of(acme)}?key={text}", token=acme.token)
        is_problem(answer, 400, "REQUEST_INVALID")
        found = owner_db.execute(
            "SELECT object_id FROM ledger_entry WHERE request_id = %s",
            [answer.headers["x-request-id"]],
        ).fetchall()
        assert found == [(object_id,)]


def test_what_only_looks_like_a_credential_is_refused_and_not_recorded(
    api: Api, acme: Cast, owner_db: Database
) -> None:
    answer = api("GET", f"{keys_of(acme)}?q={with_other_secret(acme.token)}", token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert not owner_db.execute(
        "SELECT 1 FROM ledger_entry WHERE request_id = %s", [answer.headers["x-request-id"]]
    ).fetchall()


def test_a_flood_of_bad_credentials_cannot_fill_the_ledger(
    api: Api, acme: Cast, owner_db: Database, alone: None
) -> None:
    before = entries(owner_db)

    for _ in range(40):
        api("GET", keys_of(acme), token=tokens.mint("csm", "live").secret.reveal())

    assert entries(owner_db) - before == 10


def test_a_refused_credential_names_its_public_id_and_no_more(
    api: Api, acme: Cast, owner_db: Database, alone: None
) -> None:
    text = tokens.mint("csm", "live").secret.reveal()

    answer = api("GET", keys_of(acme), token=text)

    ((body,),) = owner_db.execute(
        "SELECT p.body FROM ledger_entry e JOIN ledger_payload p ON p.entry_id = e.id"
        " WHERE e.request_id = %s AND e.type = 'credential.refused'",
        [answer.headers["x-request-id"]],
    ).fetchall()
    assert kid_of(text) in body
    assert text[22:40] not in body


def test_too_many_requests_are_told_when_to_come_back(
    api: Api, acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_RATE", "1")

    answers = [api("GET", keys_of(acme), token=acme.token) for _ in range(4)]

    assert [answer.status for answer in answers[:2]] == [200, 200]
    is_problem(answers[3], 429, "TOO_MANY_REQUESTS")
    assert answers[3].headers["retry-after"] == "1"
    assert api("GET", keys_of(acme), token=acme.token_of("owner")).status == 200


def test_with_redis_away_nobody_is_held_back(
    api: Api, acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = no_redis()
    monkeypatch.setenv("API_RATE", "1")
    monkeypatch.setattr(throttle, "client", lambda: dead)

    assert {api("GET", keys_of(acme), token=acme.token).status for _ in range(5)} == {200}
    assert api("GET", keys_of(acme), token="nonsense").status == 401
