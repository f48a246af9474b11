"""The same server answering a fixed body of the same size: what a decision is measured against."""

import argparse
import gc
from typing import Any

import uvicorn

from portal.core.http_protocol import BoundedProtocol


def hello(size: int) -> Any:
    """An ASGI application that reads the body and answers `size` bytes."""
    body = b"x" * size
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(size).encode()),
    ]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--size", type=int)
    options = parser.parse_args()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    uvicorn.run(
        hello(options.size), host="127.0.0.1", port=options.port, http=BoundedProtocol,
        loop="uvloop", ws="none", lifespan="on", proxy_headers=False, server_header=False,
        access_log=False, log_config=None, backlog=2048,
    )  # fmt: skip
