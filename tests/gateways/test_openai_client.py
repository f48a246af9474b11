"""OpenAI's own Python client through the nginx recipe."""

import openai
import pytest

from keys.revocation import revoke_key
from keys.suspension import resume_key, suspend_key
from tests.gateways.conftest import CHAT, Edge, limit


def test_a_chat_completion_passes(edge: Edge) -> None:
    answer = edge.client(edge.key()).chat.completions.create(**CHAT)
    assert answer.choices[0].message.content == "Hello there"
    assert edge.passed().target == "/v1/chat/completions"


def test_a_stream_arrives_chunk_by_chunk(edge: Edge) -> None:
    said = []
    for chunk in edge.client(edge.key()).chat.completions.create(**CHAT, stream=True):
        said.append(chunk.choices[0].delta.content)
        edge.upstream.may_go_on.set()  # the upstream holds its second chunk until we have the first
    assert said == ["Hello", " there"]


def test_the_models_are_listed(edge: Edge) -> None:
    assert [model.id for model in edge.client(edge.key()).models.list()] == ["small-1"]


def test_the_limits_left_are_told_on_an_allow(edge: Edge) -> None:
    key = edge.key(limits=[limit(60, "day", "calendar")])
    answer = edge.client(key).models.with_raw_response.list()
    assert answer.headers["ratelimit-policy"] == '"day";q=60;w=86400'
    assert answer.headers["ratelimit"].startswith('"day";r=59;t=')
    assert "retry-after" not in answer.headers
    assert "x-should-retry" not in answer.headers


def test_an_unknown_key_is_an_authentication_error(edge: Edge) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        edge.client("csk_live_mistyped").models.list()
    assert caught.value.code == "KEY_MALFORMED"
    assert caught.value.type == "invalid_api_key"
    assert caught.value.response.headers["x-should-retry"] == "false"
    challenge = 'Bearer realm="countersign", error="invalid_token"'
    assert caught.value.response.headers["www-authenticate"] == challenge
    assert edge.upstream.received == []


def test_a_revoked_key_is_refused_on_the_very_next_call(edge: Edge) -> None:
    issued = edge.cast.issue(scopes=["models:read"])
    client = edge.client(issued.secret.reveal())
    client.models.list()
    changed = revoke_key(actor=edge.cast.owner, key_id=issued.key.id, reason="lost")
    assert changed.propagation == "complete"
    with pytest.raises(openai.AuthenticationError) as caught:
        client.models.list()
    assert caught.value.code == "KEY_REVOKED"
    assert len(edge.upstream.received) == 1


def test_a_suspended_key_is_refused_until_it_is_resumed(edge: Edge) -> None:
    issued = edge.cast.issue(scopes=["models:read"])
    client = edge.client(issued.secret.reveal())
    client.models.list()
    suspend_key(actor=edge.cast.owner, key_id=issued.key.id, reason="holiday")
    with pytest.raises(openai.AuthenticationError) as caught:
        client.models.list()
    assert caught.value.code == "KEY_SUSPENDED"
    resume_key(actor=edge.cast.owner, key_id=issued.key.id, reason="back")
    client.models.list()


def test_a_key_without_the_scope_is_denied_permission(edge: Edge) -> None:
    with pytest.raises(openai.PermissionDeniedError) as caught:
        edge.client(edge.key("models:read"), retries=2).chat.completions.create(**CHAT)
    assert caught.value.code == "SCOPE_MISSING"
    assert 'error="insufficient_scope"' in caught.value.response.headers["www-authenticate"]
    assert len(edge.spy.received) == 1
    assert edge.upstream.received == []


def test_a_used_up_quota_is_a_rate_limit_error(edge: Edge) -> None:
    client = edge.client(edge.key(limits=[limit(1, "month", "calendar")]))
    client.models.list()
    with pytest.raises(openai.RateLimitError) as caught:
        client.models.list()
    assert caught.value.code == "QUOTA_EXCEEDED"
    assert caught.value.type == "insufficient_quota"
    headers = caught.value.response.headers
    assert 0 < int(headers["retry-after"]) <= 31 * 86400
    assert headers["ratelimit"] == f'"month";r=0;t={headers["retry-after"]}'
    assert headers["ratelimit-policy"] == '"month";q=1'
    assert len(edge.upstream.received) == 1


def test_no_retry_is_made_for_a_limit_that_lets_nothing_through_ever(edge: Edge) -> None:
    client = edge.client(edge.key(limits=[limit(0, "minute", "calendar")]), retries=3)
    with pytest.raises(openai.RateLimitError) as caught:
        client.models.list()
    assert "retry-after" not in caught.value.response.headers
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(edge.spy.received) == 1


def test_no_retry_is_made_when_the_wait_is_long(edge: Edge) -> None:
    client = edge.client(edge.key(limits=[limit(1, "month", "calendar")]), retries=3)
    client.models.list()
    with pytest.raises(openai.RateLimitError) as caught:
        client.models.list()
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(edge.spy.received) == 2


def test_a_short_wait_is_told_and_the_client_succeeds_after_it(edge: Edge) -> None:
    key = edge.key(limits=[limit(60, "minute", "smooth", burst=1)])
    edge.client(key).models.list()
    with pytest.raises(openai.RateLimitError) as caught:
        edge.client(key).models.list()
    assert caught.value.code == "RATE_LIMITED"
    assert caught.value.type == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"] == "1"
    assert "x-should-retry" not in caught.value.response.headers
    assert [model.id for model in edge.client(key, retries=1).models.list()] == ["small-1"]
    assert len(edge.spy.received) == 4
