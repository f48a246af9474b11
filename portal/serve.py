"""`python -m portal.serve`: the web server. Role `check` serves gateways alone, without Django.

One process, one event loop: more processes are more of these, behind any balancer.
"""

import argparse
import gc
import resource
import ssl
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from portal.core import configuration
from portal.core.http_protocol import BoundedProtocol
from portal.core.known_heads import KnownHeads
from portal.core.logs import configure_logs
from portal.core.scheme import scheme_of
from portal.core.serving_role import fault_of

if TYPE_CHECKING:
    from keys.gateway.service import CheckService

Application = Callable[..., Awaitable[None]]
MOST_BODY: Final = 1_048_576
"""Bytes of a request to the portal; the management API takes less (portal.core.strictjson)."""


def composed(service: "CheckService", portal: Application | None) -> Application:
    """Gateways' paths to the check service, everything else to the portal, if there is one."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(service, receive, send)
        elif portal is None or service.serves(scope["path"]):
            await service(scope, receive, send)
        else:
            await _portal(portal, scope, receive, send)

    return application


async def _portal(portal: Application, scope: Any, receive: Any, send: Any) -> None:
    """Hand a request to Django with its body whole and bounded: it would spool any size to disk."""
    from keys.gateway.http import Disconnected, TooLarge, read_body, refuse

    try:
        body = await read_body(receive, MOST_BODY)
    except TooLarge:
        await refuse(send, "BODY_TOO_LARGE", headers=[(b"connection", b"close")])
        return
    except Disconnected:
        return
    read = False

    async def replay() -> Any:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    await portal({**scope, "scheme": _scheme(scope)}, replay, send)


def _scheme(scope: Any) -> str:
    sent = [v.decode("latin-1") for n, v in scope["headers"] if n == b"x-forwarded-proto"]
    return scheme_of(scope.get("scheme", "http"), scope.get("client"), ",".join(sent))


async def _lifespan(service: "CheckService", receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await service.start()
            await send({"type": "lifespan.startup.complete"})
        else:
            await service.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


def application(role: str) -> tuple[Application, Callable[..., BoundedProtocol]]:
    """The ASGI application of a role, `all` or `check`, and the protocol to serve it with."""
    from keys.gateway.quick import Quick
    from keys.gateway.service import CheckService

    portal: Application | None = None
    if role == "all":
        from portal.asgi import application as portal
    service = CheckService(alone=portal is None)
    return composed(service, portal), partial(
        KnownHeads, Quick(service.decider, service.callers), {}
    )


def tls_files() -> tuple[Path | None, Path | None]:
    """Certificate chain and key to speak TLS with, 1.2 or newer (Python's default); or neither."""
    chain, key = configuration.TLS_CERT(), configuration.TLS_KEY()
    if chain is None or key is None:
        if chain is not None or key is not None:
            raise configuration.ConfigurationError("TLS_CERT and TLS_KEY go together.")
        return None, None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key)
    except (ssl.SSLError, OSError):
        raise configuration.ConfigurationError(
            "TLS_CERT and TLS_KEY are no certificate and the key that belongs to it."
        ) from None
    return chain, key


def raise_descriptor_limit() -> None:
    """Take as many file descriptors as the system lets us: 1 024 idle clients would use up all."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Serve until SIGTERM; open requests get five seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=["all", "check"], default="all")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--fd", type=int, help="a listening socket to inherit instead")
    options = parser.parse_args()
    try:
        configure_logs(configuration.LOG_LEVEL())
        for setting in (configuration.DATABASE_URL, configuration.DATABASE_CHECK_URL):
            url = setting()
            if url and (fault := fault_of(url, setting.name)):
                sys.exit(fault)
        served, protocol = application(options.role)
        chain, key = tls_files()
    except configuration.ConfigurationError as error:
        sys.exit(str(error))
    raise_descriptor_limit()
    # Nothing made so far is garbage, and requests leave none in cycles: look less often.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    uvicorn.run(
        served,
        host=options.host, port=options.port, fd=options.fd,
        http=protocol,  # type: ignore[arg-type]  # uvicorn calls it and asks for no class
        loop="uvloop", ws="none", lifespan="on", backlog=2048,
        # Its defaults believe X-Forwarded-For from localhost and name the server.
        proxy_headers=False, server_header=False, access_log=False, date_header=True,
        log_config=None, timeout_keep_alive=75, timeout_graceful_shutdown=5,
        ssl_certfile=chain, ssl_keyfile=key,
    )  # fmt: skip


if __name__ == "__main__":
    main()
