"""What orchestrators and monitoring ask of a process that serves gateways alone."""

import hmac

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from keys.decision.addresses import Caller
from keys.decision.script import Script, StoreUnavailable
from keys.gateway.http import JSON, Receive, Scope, Send, bearer, named, refuse, respond
from portal.core import configuration


async def healthz(scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
    """The process answers. It asks nobody: a lost store is no reason to restart it."""
    await respond(send, 200, b'{"status": "ok"}', [JSON])


class Readiness:
    """200 when Redis answers; keys that are held are decided without PostgreSQL."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """Ask Redis once."""
        try:
            await self.script.refresh()
            redis = "ok"
        except StoreUnavailable:
            redis = "away"
        status = "ok" if redis == "ok" else "unready"
        body = msgspec.json.encode({"status": status, "redis": redis})
        await respond(send, 200 if redis == "ok" else 503, body, [JSON])


async def metrics(scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
    """Prometheus' text for who holds METRICS_TOKEN; for anyone else there is no such page."""
    wanted = configuration.METRICS_TOKEN()
    sent = bearer(named(scope["headers"], b"authorization").get(b"authorization")) or ""
    if not wanted or not caller.safe or not hmac.compare_digest(sent.encode(), wanted.encode()):
        await refuse(send, "NOT_FOUND")
        return
    await respond(send, 200, generate_latest(), [(b"content-type", CONTENT_TYPE_LATEST.encode())])
