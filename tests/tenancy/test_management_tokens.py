"""Management tokens come into being and are revoked."""

from dataclasses import replace

import pytest

from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor, service
from portal.tenancy.authentication import proved
from portal.tenancy.management_tokens import create_management_token, revoke_management_token
from portal.tenancy.people import disable_person
from portal.tenancy.roles import ACTIONS
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of


def mint(cast: Cast, actor: Actor, creator: Actor, scopes: list[str]) -> str:
    issued = create_management_token(
        actor=actor, tenant_id=cast.tenant.id, creator_id=str(creator.membership_id),
        name="ci", scopes=scopes,
    )  # fmt: skip
    token = proved(issued.secret.reveal())
    assert token is not None and token.lives
    assert events_of(token.id) == ["management_token.created success"]
    return token.id


def test_a_member_makes_tokens_for_themselves_alone(acme: Cast) -> None:
    assert mint(acme, acme.developer, acme.developer, ["keys:read"])
    with pytest.raises(Refusal, match="FORBIDDEN"):
        mint(acme, acme.developer, acme.owner, ["keys:read"])


def test_a_token_makes_no_other(acme: Cast) -> None:
    token = service(
        token_id="mt_1", name="ci", tenant_id=acme.tenant.id,
        membership_id=str(acme.owner.membership_id), role="owner", scopes=["keys:write"],
    )  # fmt: skip
    with pytest.raises(Refusal, match="FORBIDDEN"):
        mint(acme, token, acme.owner, ["keys:read"])
    for scope in ("tokens:write", "own-tokens:write", "members:write"):
        # Whatever a row said that nobody could have written: such an actor may none of it.
        assert not service(
            token_id="mt_1", name="ci", tenant_id=acme.tenant.id, membership_id="mem_1",
            role="owner", scopes=[scope],
        ).may(scope)  # fmt: skip
    everything = replace(token, actions=ACTIONS["owner"])
    with pytest.raises(Refusal, match="FORBIDDEN"):
        mint(acme, everything, acme.owner, ["keys:read"])
    assert mint(acme, replace(everything, kind="user"), acme.owner, ["keys:read"])


def test_an_owner_makes_and_ends_everyones_tokens(acme: Cast, globex: Cast) -> None:
    assert mint(acme, acme.owner, acme.developer, ["keys:read"])
    theirs = proved(acme.token_of("developer"))
    assert theirs is not None
    at = {"tenant_id": acme.tenant.id, "token_id": theirs.id, "reason": "x"}
    for actor, code in ((acme.viewer, "FORBIDDEN"), (globex.owner, "NOT_FOUND")):
        with pytest.raises(Refusal, match=code):
            revoke_management_token(actor=actor, **at)
    revoke_management_token(actor=acme.owner, **at)
    assert events_of(theirs.id)[-1] == "management_token.revoked success"


def test_who_only_looks_makes_none_even_for_themselves(acme: Cast) -> None:
    with pytest.raises(Refusal, match="FORBIDDEN"):
        mint(acme, acme.viewer, acme.viewer, ["keys:read"])


@pytest.mark.parametrize("scope", ["tenants:write", "usage:write", "keys", "*"])
def test_only_management_scopes_are_given(acme: Cast, scope: str) -> None:
    with pytest.raises(Refusal, match="/scopes"):
        mint(acme, acme.owner, acme.owner, ["keys:read", scope])


def test_a_token_of_someone_disabled_is_not_made(acme: Cast) -> None:
    disable_person(actor=OPERATOR, person_id=acme.developer.id, reason="he left")
    with pytest.raises(Refusal, match="CONFLICT"):
        mint(acme, OPERATOR, acme.developer, ["keys:read"])


def test_a_revoked_token_is_refused_at_once(acme: Cast, globex: Cast) -> None:
    text = acme.token_of("owner")
    token = proved(text)
    assert token is not None and token.lives
    with pytest.raises(Refusal, match="NOT_FOUND"):
        revoke_management_token(
            actor=globex.owner, tenant_id=globex.tenant.id, token_id=token.id, reason="x"
        )
    for _ in range(2):
        revoke_management_token(
            actor=acme.owner, tenant_id=acme.tenant.id, token_id=token.id, reason="done"
        )
    ended = proved(text)
    assert ended is not None and not ended.lives
    assert events_of(token.id)[1:] == ["management_token.revoked success"]
