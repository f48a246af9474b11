"""An OpenAI-compatible upstream, and a spy between nginx and the check server.

Both are made for the tests: threads, no dependencies, and they remember what they were sent.
"""

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

Headers = list[tuple[str, str]]
MODEL = {"id": "small-1", "object": "model", "created": 1_700_000_000, "owned_by": "tests"}
OWN_ERRORS = {
    "/v1/models/own-401": (401, {"error": {"message": "upstream's own 401", "code": "own_401"}}),
    "/v1/models/own-403": (403, {"error": {"message": "upstream's own 403", "code": "own_403"}}),
    "/v1/models/own-404": (404, {"error": {"message": "upstream's own 404", "code": "own_404"}}),
    "/v1/models/own-429": (429, {"error": {"message": "upstream's own 429", "code": "own_429"}}),
    "/v1/models/own-500": (500, {"error": {"message": "upstream's own 500", "code": "own_500"}}),
}


@dataclass
class Received:
    """A request as it came over the wire."""

    method: str
    target: str
    """The request target, raw."""
    headers: Headers
    body: bytes

    def values(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for given, value in self.headers if given.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        """The value of a header that may be there once."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


class Handler(BaseHTTPRequestHandler):
    """Reads a request whole, remembers it, and lets the server answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.recording.connections += 1

    @property
    def recording(self) -> "Recording":
        return cast("Recording", self.server)

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed:
            # Any method is handled, and by one function.
            setattr(self, f"do_{self.command}", self.handle_any)
        return parsed

    def handle_any(self) -> None:
        target = self.requestline.split(" ", 1)[1].rsplit(" ", 1)[0]
        received = Received(self.command, target, list(self.headers.items()), self._body())
        self.recording.received.append(received)
        self.recording.answer(self, received)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def send(self, status: int, body: bytes, headers: Headers) -> None:
        """A whole response."""
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests look at `received` instead."""


class Recording(ThreadingHTTPServer):
    """A server on a port of its own that remembers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[Received] = []
        self.connections = 0
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def answer(self, handler: Handler, received: Received) -> None:
        """What subclasses do."""
        raise NotImplementedError

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that went away is part of some tests."""

    def stop(self) -> None:
        """End it; nobody listens afterwards."""
        self.shutdown()
        self.server_close()
        self.thread.join(5)


class Upstream(Recording):
    """Chat completions (streaming too), models, and errors of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()
        """A stream's second chunk waits for it."""

    def answer(self, handler: Handler, received: Received) -> None:
        path = received.target.partition("?")[0]
        if path == "/v1/chat/completions":
            self._complete(handler, received)
        elif path in OWN_ERRORS:
            status, body = OWN_ERRORS[path]
            handler.send(status, json.dumps(body).encode(), [("Content-Type", "application/json")])
        else:
            listed = {"object": "list", "data": [MODEL]} if path == "/v1/models" else MODEL
            headers = [("Content-Type", "application/json"), ("RateLimit", '"account";r=1;t=1')]
            if path == "/v1/models/steering":
                headers.append(("X-Accel-Redirect", "/v1/models/own-500"))
            handler.send(200, json.dumps(listed).encode(), headers)

    def _complete(self, handler: Handler, received: Received) -> None:
        if not (received.body and json.loads(received.body).get("stream")):
            body = json.dumps(completion("message", "Hello there")).encode()
            handler.send(200, body, [("Content-Type", "application/json")])
            return
        handler.send_response_only(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        self._event(handler, json.dumps(completion("delta", "Hello")))
        assert self.may_go_on.wait(10), "the first chunk did not arrive before the second was sent"
        self._event(handler, json.dumps(completion("delta", " there")))
        self._event(handler, "[DONE]")
        handler.wfile.write(b"0\r\n\r\n")

    @staticmethod
    def _event(handler: Handler, data: str) -> None:
        chunk = f"data: {data}\n\n".encode()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))


def completion(part: str, content: str) -> dict[str, Any]:
    """A chat completion, or with `delta` a piece of one."""
    kind = "chat.completion" if part == "message" else "chat.completion.chunk"
    choice = {"index": 0, part: {"role": "assistant", "content": content}, "finish_reason": None}
    return {"id": "c-1", "object": kind, "created": 1, "model": "small-1", "choices": [choice]}


Behaviour = Callable[[Handler, Received], None]


class Spy(Recording):
    """Relays to the check server what nginx asks, header by header; or does as it is told."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.target = port
        self.instead: Behaviour | None = None
        """What to do instead of relaying."""

    def answer(self, handler: Handler, received: Received) -> None:
        if self.instead is not None:
            self.instead(handler, received)
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=10)
        connection.putrequest(
            received.method, received.target, skip_host=True, skip_accept_encoding=True
        )
        for name, value in received.headers:
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        kept = [(n, v) for n, v in response.getheaders() if n.lower() != "content-length"]
        handler.send(response.status, body, kept)
        connection.close()
