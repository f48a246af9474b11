"""A directory ends memberships by REST, with a credential that can give nobody anything."""

import base64
import datetime as dt
import os
from typing import Any

import pytest

from audit.ledger.reading import entries
from portal.core import tokens
from portal.core.clock import now
from portal.core.refusals import Refusal
from portal.tenancy.memberships import add_member, disable_membership, enable_membership
from portal.tenancy.models import DeprovisioningToken, Membership, Session
from portal.tenancy.people import change_platform_role
from portal.tenancy.scope import platform_scope
from portal.tenancy.sso.deprovisioning import (
    create_deprovisioning_token,
    revoke_deprovisioning_token,
)
from tests.api.answers import Api, is_problem, pointers
from tests.cast import OPERATOR, Cast
from tests.pages.app import Visitor, someone
from tests.sso.conftest import Acme


@pytest.fixture
def token(on: Acme) -> str:
    return str(issue(on).secret.reveal())


def types_of(cast: Cast, type: str) -> int:
    """How many entries of this type the tenant has."""
    with platform_scope("a test reads the ledger"):
        return entries(tenant=cast.tenant.id, type=type).count()


def issue(on: Acme, **more: Any) -> Any:
    return create_deprovisioning_token(
        actor=on.cast.owner, tenant_id=on.cast.tenant.id, provider_id=on.row.id, name="directory",
        **more,
    )  # fmt: skip


def members_of(cast: Cast, rest: str = "") -> str:
    return f"/v1/tenants/{cast.tenant.slug}/members{rest}"


def end(api: Api, on: Acme, token: str, member: Membership, **more: Any) -> Any:
    path = members_of(on.cast, f"/{member.id}/disable")
    return api("POST", path, {"reason": "left"}, token=token, **more)


def test_it_lists_members_and_finds_one_by_subject_or_address(
    api: Api, on: Acme, token: str, globex: Cast
) -> None:
    on.sign_in(Visitor())
    person, member = on.person(), on.member()
    assert person is not None and member is not None
    answer = api("GET", members_of(on.cast), token=token)
    assert answer.status == 200 and len(answer.body["results"]) == 4
    for query in (f"subject={on.idp.subject}", f"email={person.email.upper()}"):
        (found,) = api("GET", members_of(on.cast, f"?{query}"), token=token).body["results"]
        assert found == {
            "id": member.id, "person": person.id, "name": "Grace Hopper", "email": person.email,
            "role": "developer", "state": "active", "subjects": [on.idp.subject],
            "created_at": found["created_at"],
        }  # fmt: skip
    one = api("GET", members_of(on.cast, f"/{member.id}"), token=token)
    assert one.body == found and one.headers["etag"]
    for query in ("subject=unknown", "email=cy@elsewhere.example"):
        assert api("GET", members_of(on.cast, f"?{query}"), token=token).body["results"] == []


def test_it_ends_a_membership_and_again_answers_the_same(api: Api, on: Acme, token: str) -> None:
    browser = Visitor()
    on.sign_in(browser)
    member = on.member()
    assert member is not None
    before = api("GET", members_of(on.cast, f"/{member.id}"), token=token).headers["etag"]
    first, again = end(api, on, token, member), end(api, on, token, member)
    for answer in (first, again):
        assert answer.status == 200, answer.content
        assert answer.body["propagation"] == "complete"
        assert answer.body["member"]["state"] == "disabled"
        assert answer.headers["etag"] not in (None, before)
    assert types_of(on.cast, "membership.disabled") == 1
    assert browser.get(f"/t/{on.cast.tenant.slug}/").status == 302  # signed out, everywhere
    with platform_scope("a test looks for sessions"):
        assert not Session.objects.filter(person_id=member.person_id).exists()
    assert on.sign_in(Visitor()).status == 403


def test_their_keys_are_refused_from_the_next_check_on(
    api: Api, on: Acme, token: str, checker: Any
) -> None:
    key = on.cast.issue(owner=on.cast.memberships["developer"].id).secret.reveal()
    assert checker.check(on.cast.gateway_token, key)["code"] == "OK"
    assert end(api, on, token, on.cast.memberships["developer"]).status == 200
    assert checker.check(on.cast.gateway_token, key)["code"] == "OWNER_DISABLED"


def test_who_is_something_elsewhere_stays_signed_in_there(
    api: Api, on: Acme, token: str, globex: Cast
) -> None:
    who = someone("Tess", "")
    ours = add_member(
        actor=OPERATOR, tenant_id=on.cast.tenant.id, person_id=who.person.id, role="viewer"
    )
    add_member(actor=OPERATOR, tenant_id=globex.tenant.id, person_id=who.person.id, role="viewer")
    browser = Visitor()
    browser.sign_in(who)
    assert end(api, on, token, ours).status == 200
    assert browser.get(f"/t/{on.cast.tenant.slug}/keys/").status == 404
    assert browser.get(f"/t/{globex.tenant.slug}/keys/").status == 200


def test_who_has_a_role_on_the_platform_stays_signed_in(api: Api, on: Acme, token: str) -> None:
    on.sign_in(Visitor())
    member = on.member()
    assert member is not None
    change_platform_role(
        actor=OPERATOR, person_id=member.person_id, role="auditor", reason="promoted"
    )
    assert end(api, on, token, member).status == 200
    with platform_scope("a test looks for sessions"):
        assert Session.objects.filter(person_id=member.person_id).exists()


def test_the_last_owner_is_not_ended(api: Api, on: Acme, token: str) -> None:
    is_problem(end(api, on, token, on.cast.memberships["owner"]), 409, "CONFLICT")


def test_a_replay_does_nothing(api: Api, on: Acme, token: str) -> None:
    member = on.cast.memberships["developer"]
    headers = {"Idempotency-Key": "leaver-7"}
    assert end(api, on, token, member, headers=headers).status == 200
    enable_membership(
        actor=OPERATOR, tenant_id=on.cast.tenant.id, membership_id=member.id, reason="back"
    )
    replay = end(api, on, token, member, headers=headers)
    assert replay.headers["idempotency-replayed"] == "true"
    assert replay.body["member"]["state"] == "active"  # what stands now; nothing was done


def test_it_can_give_nobody_anything(api: Api, on: Acme, token: str) -> None:
    member = on.cast.memberships["developer"]
    ours = {"actor": OPERATOR, "tenant_id": on.cast.tenant.id, "membership_id": member.id}
    disable_membership(**ours, reason="left")  # type: ignore[arg-type]  # text
    for method, rest, body in (
        ("POST", f"/{member.id}/enable", {"reason": "x"}),
        ("PATCH", f"/{member.id}", {"role": "owner"}),
        ("POST", "", {"person": member.person_id, "role": "owner"}),
        ("PUT", f"/{member.id}", {}),
        ("DELETE", f"/{member.id}", None),
    ):
        answer = api(method, members_of(on.cast, rest), body, token=token)
        assert answer.status in (404, 405), (method, rest, answer.content)
    for path in ("keys", "limits", "usage", "audit/events"):
        answer = api("GET", f"/v1/tenants/{on.cast.tenant.slug}/{path}", token=token)
        is_problem(answer, 401, "CREDENTIAL_INVALID")


def test_a_management_token_never_touches_members(api: Api, on: Acme) -> None:
    member = on.cast.memberships["developer"]
    for method, rest in (("GET", ""), ("GET", f"/{member.id}"), ("POST", f"/{member.id}/disable")):
        body = {"reason": "x"} if method == "POST" else None
        answer = api(method, members_of(on.cast, rest), body, token=on.cast.token)
        is_problem(answer, 403, "FORBIDDEN")
    with platform_scope("a test reads the member"):
        assert Membership.objects.get(id=member.id).is_active


def test_a_foreign_member_answers_as_one_that_is_not(
    api: Api, on: Acme, token: str, globex: Cast
) -> None:
    theirs = globex.memberships["developer"].id
    for method, rest in (("GET", ""), ("POST", "/disable")):
        told = [
            api(method, members_of(on.cast, f"/{id}{rest}"), {"reason": "x"} if rest else None,
                token=token)
            for id in (theirs, "mem_000000000000")
        ]  # fmt: skip
        assert told[0].content == told[1].content
        is_problem(told[0], 404, "NOT_FOUND")
    is_problem(api("GET", members_of(globex), token=token), 404, "NOT_FOUND")


def test_wrong_revoked_and_ended_tokens_are_one_answer(api: Api, on: Acme, token: str) -> None:
    ended = issue(on, expires_at=now() + dt.timedelta(hours=1))
    revoked = issue(on)
    for _ in range(2):
        revoke_deprovisioning_token(
            actor=on.cast.owner, tenant_id=on.cast.tenant.id, token_id=revoked.token.id,
            reason="lost",
        )  # fmt: skip
    with platform_scope("a test lets an hour pass"):
        type(ended.token).objects.filter(id=ended.token.id).update(expires_at=now())
    wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
    told = {
        api("GET", members_of(on.cast), token=each).content
        for each in (ended.secret.reveal(), revoked.secret.reveal(), wrong, "csd_live_x")
    }
    assert len(told) == 1
    assert api("GET", members_of(on.cast), token=token).status == 200
    assert types_of(on.cast, "deprovisioning_token.revoked") == 1


def test_what_was_sent_is_judged(api: Api, on: Acme, token: str) -> None:
    path = members_of(on.cast, f"/{on.cast.memberships['developer'].id}/disable")
    for body, where in (({}, "/reason"), ({"reason": ""}, "/reason"), ({"reason": 7}, "/reason"),
                        ({"reason": "x", "role": "owner"}, "/role")):  # fmt: skip
        answer = api("POST", path, body, token=token)
        is_problem(answer, 400, "REQUEST_INVALID")
        assert pointers(answer) == [where]
    for query in ("state=gone", "nonsense=1", "email=a&email=b"):
        answer = api("GET", members_of(on.cast, f"?{query}"), token=token)
        is_problem(answer, 400, "REQUEST_INVALID")


def test_a_token_in_a_query_string_is_refused_and_recorded(api: Api, on: Acme, token: str) -> None:
    answer = api("GET", members_of(on.cast, f"?email={token}"), token=token)
    is_problem(answer, 400, "REQUEST_INVALID")
    assert types_of(on.cast, "credential.exposed") == 1


def test_only_who_governs_the_provider_makes_and_ends_tokens(on: Acme, globex: Cast) -> None:
    told: dict[str, Any] = {
        "tenant_id": on.cast.tenant.id, "provider_id": on.row.id, "name": "x",
    }  # fmt: skip
    for actor in (on.cast.developer, on.cast.viewer):
        with pytest.raises(Refusal, match="FORBIDDEN"):
            create_deprovisioning_token(actor=actor, **told)
    with pytest.raises(Refusal, match="NOT_FOUND"):
        create_deprovisioning_token(actor=globex.owner, **told)
    issued = issue(on)
    with pytest.raises(Refusal, match="FORBIDDEN"):
        revoke_deprovisioning_token(
            actor=on.cast.viewer, tenant_id=on.cast.tenant.id, token_id=issued.token.id,
            reason="x",
        )  # fmt: skip
    for _ in range(3):
        issue(on)
    with pytest.raises(Refusal, match="There are 4 tokens"):
        issue(on)


def test_a_token_under_an_old_pepper_is_moved_to_the_newest(
    api: Api, on: Acme, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = f"9:{base64.b64encode(b'n' * 32).decode()}"
    monkeypatch.setenv("KEY_PEPPERS", f"{os.environ['KEY_PEPPERS']},{newer}")
    tokens._ring.cache_clear()
    try:
        assert api("GET", members_of(on.cast), token=token).status == 200
        with platform_scope("a test reads the token"):
            assert DeprovisioningToken.objects.get(provider=on.row).pepper_id == 9
        monkeypatch.setenv("KEY_PEPPERS", newer)
        tokens._ring.cache_clear()
        assert api("GET", members_of(on.cast), token=token).status == 200
    finally:
        monkeypatch.undo()
        tokens._ring.cache_clear()
