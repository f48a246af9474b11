"""Whatever becomes of Countersign, nothing passes that it did not allow."""

import threading
import time
from collections.abc import Callable

import openai
import pytest

from tests.gateways.conftest import CHAT, Edge
from tests.gateways.nginx import Nginx
from tests.gateways.servers import Handler, Received
from tests.processes import CheckServer, free_port


def refused_for_now(edge: Edge) -> None:
    """A chat completion gets the 503 that clients may retry, and goes nowhere."""
    with pytest.raises(openai.InternalServerError) as caught:
        edge.client(edge.key()).chat.completions.create(**CHAT)
    assert caught.value.status_code == 503
    assert caught.value.code == "STORE_UNAVAILABLE"
    assert caught.value.response.headers["retry-after"] == "1"
    assert caught.value.response.headers["cache-control"] == "no-store"
    assert "x-should-retry" not in caught.value.response.headers
    assert edge.upstream.received == []


def test_a_checker_that_is_down_is_a_503(
    edge: Edge, another_nginx: Callable[..., Nginx], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "nginx", another_nginx(countersign=(free_port(),)))
    refused_for_now(edge)
    edge.nginx.access_log(" 503 code= ")


def test_a_checker_that_hangs_is_a_503_after_a_second(edge: Edge) -> None:
    ended = threading.Event()
    edge.spy.instead = lambda handler, received: (ended.wait(5), None)[1]
    began = time.monotonic()
    refused_for_now(edge)
    assert len(edge.spy.received) == 1, "a check that may have been spent is not repeated"
    assert time.monotonic() - began < 4
    ended.set()


def test_a_check_that_may_have_been_spent_is_not_asked_of_another(
    edge: Edge,
    checker: CheckServer,
    another_nginx: Callable[..., Nginx],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = (edge.spy.port, checker.port)
    monkeypatch.setattr(edge, "nginx", another_nginx(countersign=both))
    ended = threading.Event()
    edge.spy.instead = lambda handler, received: (ended.wait(5), None)[1]
    refused_for_now(edge)
    assert edge.models(edge.key()).status == 200, "the next check goes to the one that answers"
    ended.set()


def test_a_checker_that_is_not_there_is_skipped(
    edge: Edge, another_nginx: Callable[..., Nginx], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = (free_port(), edge.spy.port)
    monkeypatch.setattr(edge, "nginx", another_nginx(countersign=both))
    assert {edge.models(edge.key()).status for _ in range(4)} == {200}


def test_a_checker_that_hangs_up_is_a_503(edge: Edge) -> None:
    def hang_up(handler: Handler, received: Received) -> None:
        handler.close_connection = True

    edge.spy.instead = hang_up
    refused_for_now(edge)


@pytest.mark.parametrize("status", [302, 400, 404, 405, 418, 429, 431, 500, 502, 503])
def test_an_answer_that_is_none_of_the_dialects_is_a_503(edge: Edge, status: int) -> None:
    edge.spy.instead = lambda handler, received: handler.send(status, b"?", [("Location", "/")])
    refused_for_now(edge)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_that_says_nothing_is_a_503(edge: Edge, status: int) -> None:
    edge.spy.instead = lambda handler, received: handler.send(status, b"", [])
    refused_for_now(edge)


@pytest.mark.parametrize("status", [200, 204])
def test_success_without_the_word_ok_allows_nothing(edge: Edge, status: int) -> None:
    edge.spy.instead = lambda handler, received: handler.send(status, b"", [])
    with pytest.raises(openai.InternalServerError):
        edge.client(edge.key()).models.list()
    assert edge.upstream.received == []


@pytest.mark.parametrize("credential", ["", "csg_live_x", "wrong", "another's"])
def test_a_wrong_gateway_credential_is_the_operators_503(
    edge: Edge,
    another_nginx: Callable[..., Nginx],
    monkeypatch: pytest.MonkeyPatch,
    credential: str,
) -> None:
    right = edge.cast.gateway_token
    known = {"wrong": right[:-1] + ("0" if right[-1] != "0" else "1"), "another's": edge.key()}
    wrong = known.get(credential, credential)
    monkeypatch.setattr(edge, "nginx", another_nginx(gateway=wrong))
    refused_for_now(edge)
    edge.nginx.access_log(" 503 code=CREDENTIAL_INVALID ")


def test_a_clients_own_gateway_credential_stands_in_for_nothing(
    edge: Edge, another_nginx: Callable[..., Nginx], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "nginx", another_nginx(gateway=""))
    reply = edge.models(edge.key(), ("X-Countersign-Gateway", edge.cast.gateway_token))
    assert reply.status == 503
    assert edge.asked().values("X-Countersign-Gateway") == []
