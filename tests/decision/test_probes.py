"""What monitoring asks of a process that serves gateways alone."""

from tests.cast import Cast
from tests.processes import check_servers


def test_it_lives_is_ready_and_tells_its_decisions_by_code(acme: Cast) -> None:
    secret = acme.issue().secret.reveal()
    token = {"Authorization": "Bearer of-monitoring"}
    with check_servers(METRICS_TOKEN="of-monitoring") as (server,):
        assert server.check(acme.gateway_token, secret)["code"] == "OK"
        assert server.check(acme.gateway_token, "nonsense")["code"] == "KEY_MALFORMED"
        assert server.call("GET", "/healthz", headers={})[0] == 200
        assert server.call("GET", "/readyz", headers={})[0] == 200
        assert server.call("GET", "/metrics", headers={})[0] == 404
        status, _, text = server.call("GET", "/metrics", headers=token)
    assert status == 200
    assert b'countersign_decisions_total{code="OK"} 1.0' in text
    assert b'countersign_decisions_total{code="KEY_MALFORMED"} 1.0' in text
    assert b"countersign_undrained_decisions" in text


def test_without_its_store_it_lives_and_is_not_ready() -> None:
    with check_servers(REDIS_URL="redis://127.0.0.1:1") as (server,):
        assert server.call("GET", "/healthz", headers={})[0] == 200
        assert server.call("GET", "/readyz", headers={})[0] == 503
