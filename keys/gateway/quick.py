"""The check endpoint's short way: gateway and key are held and proved, one script call decides.

No decision is made here that keys.gateway.check would not make: this takes the same steps without
a task and without ASGI, and gives back whatever needs another step, before anything was spent.
"""

from typing import Any, Final, NamedTuple

import structlog

from keys.codes import Code
from keys.decision import script
from keys.decision.answer import render
from keys.decision.decider import Decider, Prepared
from keys.decision.outcome import decision_of
from keys.decision.question import LARGEST_BODY, Invalid, parse
from keys.decision.script import StoreUnavailable
from keys.gateway.check import is_json
from keys.gateway.http import Callers, Headers, bearer, problem
from portal.core.known_heads import KnownHeads

AGAIN: Final = (script.STALE, script.COLD, script.NEGATIVE_STALE, script.NO_ERA)
"""Answers after which nothing was spent and another round may decide."""
OK: Final = b"200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"


log = structlog.get_logger()


class Said(NamedTuple):
    """What a head says."""

    credential: str
    forwarded: Headers


class Quick:
    """Takes questions whose head is known (portal.core.known_heads)."""

    first_line = b"POST /v1/keys/check HTTP/1.1\r\n"
    longest_body = LARGEST_BODY

    def __init__(self, decider: Decider, callers: Callers) -> None:
        self.decider, self.callers = decider, callers

    def said(self, headers: Headers) -> Said | None:
        """The gateway's credential, where the head is a check's in order and it was proved before.

        A head of someone unknown is worth no memory, and pushes out none of those that are.
        """
        sent = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
        media = [value for name, value in headers if name == b"content-type"]
        credential = bearer(sent) if len(media) == 1 and is_json(media[0]) else None
        if credential is None or credential not in self.decider.proved:
            return None
        return Said(credential, [header for header in headers if header[0] == b"x-forwarded-proto"])

    def begin(self, said: Said, body: bytes, wire: KnownHeads) -> bool:
        """Ask the script, if that is all that is left to do."""
        decider = self.decider
        caller = self.callers.caller(wire.client, wire.scheme or "http", said.forwarded)
        gateway = decider.proved_gateway(said.credential, caller)
        if gateway is None:
            return False
        try:
            ask = parse(body)
            key = decider.held_key(gateway, ask)
            if key is None or ask.dry_run or key.pepper != decider.upgrades.newest:
                return False
            prepared = decider.prepare(gateway, key, ask)
        except Invalid:
            return False
        decider.script.submit(prepared.check, Turn(decider, prepared, wire))
        return True


class Turn:
    """A question that waits for the script."""

    __slots__ = ("decider", "prepared", "wire")

    def __init__(self, decider: Decider, prepared: Prepared, wire: KnownHeads) -> None:
        self.decider, self.prepared, self.wire = decider, prepared, wire

    def done(self) -> bool:
        """Who asked has gone: nothing is spent."""
        return self.wire.open is None

    def set_result(self, answer: list[Any]) -> None:
        """Tell the decision; what was believed and is no more starts again."""
        if answer[0] in AGAIN:
            self.wire.go_the_long_way()
        elif answer[0] != script.DECIDED:
            # The script may have charged before it failed: asked again, it would twice.
            self.set_exception(StoreUnavailable())
        else:
            try:
                _, key, _, reasons = self.prepared
                decision = decision_of(self.prepared.id, key, answer, reasons)
                told = render(decision)
            except Exception:  # a bug is an end to the connection, never a client that waits
                log.exception("check.failed")
                self.wire.give_up()
                return
            self.decider.told[decision.code] += 1
            self.decider.short += 1
            self.wire.reply(OK, told)

    def set_exception(self, error: StoreUnavailable) -> None:
        """503, and not again: the script may have run."""
        self.decider.told[Code.STORE_UNAVAILABLE] += 1
        self.wire.reply(*problem("STORE_UNAVAILABLE", "No decision could be made.", b"1"))
