"""POST /v1/keys/check: the whole question in JSON, the whole answer in JSON."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from keys.codes import Code
from keys.decision.addresses import Caller
from keys.decision.answer import render
from keys.decision.decider import Decider, Unauthorized
from keys.decision.question import LARGEST_BODY, Ask, Invalid, parse
from keys.decision.script import StoreUnavailable
from keys.gateway.http import (
    JSON,
    Headers,
    Receive,
    Scope,
    Send,
    TooLarge,
    bearer,
    read_body,
    refuse,
    respond,
)
from portal.core.logs import TOKEN

RETRY_SOON: Final = (b"retry-after", b"1")
CHALLENGE: Final = b'Bearer realm="countersign"'


class CheckEndpoint:
    """One endpoint over a decider."""

    def __init__(self, decider: Decider) -> None:
        self.decider = decider

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """Judge in the contract's order: 405, 401, 415, 413, 400, 429, 503, then decide."""
        if scope["method"] != "POST":
            await refuse(
                send,
                "METHOD_NOT_ALLOWED",
                "POST is the method.",
                headers=[(b"allow", b"POST")],
            )
            return
        credential, media = _headers(scope["headers"])
        ask, fault = await _read(receive, scope, media)
        try:
            gateway = self.decider.proved_gateway(credential, caller) or await self.decider.gateway(
                credential, caller, ask.key if ask else None
            )
            if ask is None:
                await self.decider.expose(fault.exposed, "query", caller)
                await fault.tell(send)
                return
            if ask.dry_run and not await self.decider.may_dry_run(gateway):
                await refuse(send, "TOO_MANY_REQUESTS", "Too many dry runs.", headers=[RETRY_SOON])
                return
            assert credential is not None, "the gateway was known by it"
            decision = await self.decider.decide(gateway, credential, caller, ask)
            self.decider.told[decision.code] += 1
        except Unauthorized as refused:
            if refused.in_clear and ask is not None:
                await self.decider.expose([ask.key], "plain", caller)
            await _unauthorized(send, credential)
        except Invalid as error:
            await Fault("REQUEST_INVALID", error.detail, error.pointer).tell(send)
        except StoreUnavailable:
            self.decider.told[Code.STORE_UNAVAILABLE] += 1
            await refuse(
                send, "STORE_UNAVAILABLE", "No decision could be made.", headers=[RETRY_SOON]
            )
        else:
            await respond(send, 200, render(decision), [JSON])


class Fault:
    """Why a question can't be read, told only to a gateway that proved itself."""

    def __init__(
        self, code: str, detail: str = "", pointer: str | None = None, exposed: Sequence[str] = ()
    ) -> None:
        self.code, self.detail, self.pointer, self.exposed = code, detail, pointer, exposed

    async def tell(self, send: Send) -> None:
        """Send it as a problem."""
        errors = []
        if self.pointer is not None:
            errors.append({"detail": self.detail, "pointer": self.pointer})
        await refuse(send, self.code, self.detail, errors=errors)


NO_FAULT: Final = Fault("REQUEST_INVALID", "")


def _headers(headers: Headers) -> tuple[str | None, bytes]:
    credential: list[str] = []
    media = b""
    for name, value in headers:
        if name == b"authorization":
            credential.append(value.decode("latin-1"))
        elif name == b"content-type":
            media = value
    return bearer(credential), media


def credentials_in(text: str) -> list[str]:
    """What is shaped like a credential of ours in a query string or an address."""
    return [match.group() for match in TOKEN.finditer(unquote(text))]


def is_json(media: bytes) -> bool:
    """Whether a Content-Type says JSON, whatever its parameters."""
    return media.partition(b";")[0].strip().lower() == b"application/json"


async def _read(receive: Receive, scope: Scope, media: bytes) -> tuple[Ask | None, Fault]:
    """The question, or what is wrong with it."""
    if not is_json(media):
        return None, Fault("MEDIA_TYPE", "The body is application/json.")
    try:
        body = await read_body(receive, LARGEST_BODY)
    except TooLarge:
        return None, Fault("BODY_TOO_LARGE", "The body is longer than 16 KiB.")
    if scope["query_string"] and (found := credentials_in(scope["query_string"].decode("latin-1"))):
        detail = "A credential does not belong into a query string."
        return None, Fault("REQUEST_INVALID", detail, exposed=found)
    try:
        return parse(body), NO_FAULT
    except Invalid as error:
        return None, Fault("REQUEST_INVALID", error.detail, error.pointer)


async def _unauthorized(send: Send, credential: str | None) -> None:
    challenge = CHALLENGE if credential is None else CHALLENGE + b', error="invalid_token"'
    await refuse(
        send, "CREDENTIAL_INVALID", "A gateway's credential is needed.",
        headers=[(b"www-authenticate", challenge)],
    )  # fmt: skip
