"""`python -m portal.serve`: the web server. Role `check` serves gateways alone, without Django.

One process, one event loop: more processes are more of these, behind any balancer.
"""

import argparse
import gc
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import uvicorn

from portal.core import configuration
from portal.core.http_protocol import BoundedProtocol
from portal.core.logs import configure_logs

if TYPE_CHECKING:
    from keys.gateway.service import CheckService

Application = Callable[..., Awaitable[None]]


def composed(service: "CheckService", portal: Application | None) -> Application:
    """Gateways' paths to the check service, everything else to the portal, if there is one."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(service, receive, send)
        elif portal is None or service.serves(scope["path"]):
            await service(scope, receive, send)
        else:
            await portal(scope, receive, send)

    return application


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


def application(role: str) -> Application:
    """The ASGI application of a role: `all` or `check`."""
    from keys.gateway.service import CheckService

    portal: Application | None = None
    if role == "all":
        from portal.asgi import application as portal
    return composed(CheckService(), portal)


def main() -> None:
    """Serve until SIGTERM; open requests get five seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=["all", "check"], default="all")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--fd", type=int, help="a listening socket to inherit instead")
    options = parser.parse_args()
    configure_logs(configuration.LOG_LEVEL())
    served = application(options.role)
    # Nothing made so far is garbage, and requests leave none in cycles: look less often.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    uvicorn.run(
        served,
        host=options.host, port=options.port, fd=options.fd,
        http=BoundedProtocol, loop="uvloop", ws="none", lifespan="on", backlog=2048,
        # Its defaults believe X-Forwarded-For from localhost and name the server.
        proxy_headers=False, server_header=False, access_log=False, date_header=True,
        log_config=None, timeout_keep_alive=75, timeout_graceful_shutdown=5,
    )  # fmt: skip


if __name__ == "__main__":
    main()
