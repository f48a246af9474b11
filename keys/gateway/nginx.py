"""/v1/authorize/nginx: the dialect of nginx' auth_request.

nginx understands 2xx, 401 and 403 only; anything else becomes a 500 at the client. So a 429 is a
403 with `X-Countersign-Status: 429`, which deploy/gateways/nginx.conf turns back. It reads nginx'
own headers (`X-Original-Method`, `X-Original-URI`, `X-Real-IP`) and never another proxy's.
"""

from contextlib import suppress
from typing import Final

from keys.codes import Code
from keys.decision.addresses import Caller
from keys.decision.decider import ROUNDS, Decider, GatewayChanged, Unauthorized
from keys.decision.outcome import Decision
from keys.decision.question import ONE_REQUEST, Ask, Invalid, read_address, refuse_text
from keys.decision.script import StoreUnavailable
from keys.decision.snapshots import GatewaySnapshot
from keys.gateway import ratelimit
from keys.gateway.check import credentials_in
from keys.gateway.http import Headers, Receive, Scope, Send, bearer, named, respond
from portal.core.ids import uuid7

GATEWAY: Final = b"x-countersign-gateway"
METHOD, URI, ADDRESS = b"x-original-method", b"x-original-uri", b"x-real-ip"
SUBJECT, PURPOSE = b"x-countersign-subject", b"x-countersign-purpose"
KEYS: Final = (b"x-api-key", b"api-key", b"x-goog-api-key")
READ: Final = (GATEWAY, METHOD, URI, ADDRESS, SUBJECT, PURPOSE, b"authorization", *KEYS)
Found = dict[bytes, list[str]]


class NginxEndpoint:
    """One endpoint over a decider."""

    def __init__(self, decider: Decider) -> None:
        self.decider = decider

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """Decide from headers alone; a body, if any, is not read."""
        found = named(scope["headers"], *READ)
        sent = found.get(GATEWAY, [])
        credential = sent[0] if len(sent) == 1 else None
        try:
            decision = await self._decide(credential, caller, found)
            self.decider.told[decision.code] += 1
        except Unauthorized as refused:
            if refused.in_clear:
                await self.decider.expose(client_keys(found), "plain", caller)
            await _answer(send, 401, "CREDENTIAL_INVALID", 401)
        except Invalid:
            await self._expose(found, caller)
            await _answer(send, 403, "REQUEST_INVALID", 400)
        except StoreUnavailable:
            self.decider.told[Code.STORE_UNAVAILABLE] += 1
            await _answer(send, 503, Code.STORE_UNAVAILABLE.name, 503, retry_after=1)
        else:
            status = decision.code.status
            shown = status if status in (200, 401) else 403
            await _answer(
                send, shown, decision.code.name, status, decision,
                retry_after=decision.retry_after if status == 429 else None,
            )  # fmt: skip

    async def _decide(self, credential: str | None, caller: Caller, found: Found) -> Decision:
        """Decide on what was found; what the gateway declares says how that is read."""
        for _ in range(ROUNDS):
            gateway = await self._gateway(credential, caller)
            assert credential is not None, "the gateway was known by it"
            ask = question(found, gateway)
            if ask is None:
                return Decision(Code.KEY_MALFORMED)
            with suppress(GatewayChanged):
                return await self.decider.decide(
                    gateway, credential, caller, ask, read_as=gateway.declared
                )
        raise StoreUnavailable

    async def _expose(self, found: Found, caller: Caller) -> None:
        """Note the keys in an address that could not be read: whoever logs it has them."""
        for uri in found.get(URI, []):
            await self.decider.expose(credentials_in(uri), "query", caller)

    async def _gateway(self, credential: str | None, caller: Caller) -> GatewaySnapshot:
        proved = self.decider.proved_gateway(credential, caller)
        return proved or await self.decider.gateway(credential, caller)


def question(found: Found, gateway: GatewaySnapshot) -> Ask | None:
    """What nginx asks; None when two different keys were sent. Raises Invalid."""
    keys = client_keys(found)
    if len(keys) > 1:
        return None
    uri = _once(found, URI)
    if uri and credentials_in(uri):
        raise Invalid("A credential does not belong into a query string.", "")
    stated = _once(found, ADDRESS)
    return Ask(
        key=keys.pop() if keys else "",
        scopes=[],
        usage=ONE_REQUEST,
        method=_once(found, METHOD),
        path=uri or "",  # no URI is no route, never "any route"
        ip=read_address(stated, "") if stated else None,
        subject=_declared(found, SUBJECT, gateway, 256),
        purpose=_declared(found, PURPOSE, gateway, 64),
    )


def client_keys(found: Found) -> set[str]:
    """The different keys in a request, wherever LLM clients put them (reference/keys.md, 6.1)."""
    keys = {value for name in KEYS for value in found.get(name, []) if value}
    for value in found.get(b"authorization", []):
        if value:
            # Another scheme is something sent that is no key of ours, not "no key".
            token = bearer([value])
            keys.add(value if token is None else token)
    return keys - {""}


def _once(found: Found, name: bytes) -> str | None:
    """A header that the proxy sets exactly once; a second one is someone else's."""
    values = found.get(name, [])
    if len(values) > 1:
        raise Invalid("A header is given twice.", "")
    return values[0] if values and values[0] else None


def _declared(found: Found, name: bytes, gateway: GatewaySnapshot, most: int) -> str | None:
    """A header that counts only if the gateway says that it sets it: else it is the client's."""
    if name.decode() not in gateway.declared:
        return None
    value = _once(found, name)
    if value is None:
        return None
    try:
        text = value.encode("latin-1").decode()  # the same subject as in JSON, which is UTF-8
    except UnicodeDecodeError:
        raise Invalid("A header is not UTF-8.", "") from None
    if len(text) > most:
        raise Invalid("A header is too long.", "")
    refuse_text(text, "")
    return text


async def _answer(
    send: Send, shown: int, code: str, status: int, decision: Decision | None = None,
    *, retry_after: int | None = None,
) -> None:  # fmt: skip
    """Every documented header, empty where it does not apply: a missing one may let the client's
    own pass through a proxy (GHSA-7r4p-vjf4-gxv4)."""
    key = decision.key if decision else None
    limits = decision.limits if decision else []
    values = {
        b"x-countersign-decision": decision.id or "" if decision else "",
        b"x-countersign-code": code,
        b"x-countersign-status": str(status),
        b"x-countersign-key": key.id if key else "",
        b"x-countersign-tenant": key.tenant.slug if key else "",
        b"x-countersign-assertion": "",
        b"ratelimit": ratelimit.remaining(limits),
        b"ratelimit-policy": ratelimit.policy(limits),
        b"retry-after": "" if retry_after is None else str(retry_after),
        b"x-request-id": uuid7(),
    }
    headers: Headers = [(name, value.encode("ascii", "replace")) for name, value in values.items()]
    if shown == 401:
        missing = code == Code.KEY_MISSING.name
        challenge = b'Bearer realm="countersign"' + (b"" if missing else b', error="invalid_token"')
        headers.append((b"www-authenticate", challenge))
    elif code == Code.SCOPE_MISSING.name:
        headers.append(
            (b"www-authenticate", b'Bearer realm="countersign", error="insufficient_scope"')
        )
    await respond(send, shown, b"", headers)
