"""The path of a decision, top to bottom; every failure is closed."""

import hmac
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from keys.codes import Code
from keys.decision import script as answers
from keys.decision.addresses import Caller, inside
from keys.decision.exposures import Exposures, Way
from keys.decision.guesses import Guesses, guess
from keys.decision.loader import Snapshots
from keys.decision.outcome import Decision, decision_of
from keys.decision.question import Ask
from keys.decision.routes import Route
from keys.decision.rules import Refused, purpose_of, refusals, route_of
from keys.decision.script import DECIDE, DRY_RUN, FRESH, Answer, Script, StoreUnavailable
from keys.decision.snapshots import (
    GatewaySnapshot,
    KeySnapshot,
    Negative,
    believed,
    believed_of_gateway,
)
from keys.decision.upgrades import Upgrades
from portal.core import configuration, tokens
from portal.core.ids import uuid7
from portal.core.names import SHARD

PROVED: Final = 1024
MOST_EXPOSED: Final = 4
"""Texts of one request that are looked up as exposed."""
ROUNDS: Final = 8
"""How often a decision starts again because something changed under it, before it gives up.

Every bump ends every lease, so a tenant that changes keys all the time makes others' cold keys go
round; four rounds were too few (6 % of cold checks beside 50 changes a second).
"""


class Unauthorized(Exception):
    """The gateway's own credential: unknown, wrong, disabled, or from an address not its own."""

    def __init__(self, *, in_clear: bool = False) -> None:
        self.in_clear = in_clear
        """It was right, and came over plain HTTP: others may have read it, and what it asked."""


def _here(gateway: GatewaySnapshot, caller: Caller) -> bool:
    """From an address of its own, if it has any; over plain HTTP from such a one alone."""
    if not gateway.networks:
        return caller.safe
    return caller.at is not None and inside(caller.at, gateway.networks)


def _usable(gateway: GatewaySnapshot, credential: str, caller: Caller) -> bool:
    proved = tokens.verify(credential, gateway.digest, gateway.pepper)
    return proved and not gateway.disabled and _here(gateway, caller)


def _in_clear(gateway: GatewaySnapshot | Negative, credential: str, caller: Caller) -> bool:
    """Whether plain HTTP is the only thing wrong."""
    return isinstance(gateway, GatewaySnapshot) and _usable(
        gateway, credential, caller._replace(safe=True)
    )


class GatewayChanged(Exception):
    """The gateway declares other headers now: what it sent has to be read again."""


class Prepared(NamedTuple):
    """A decision up to the script: what it is asked, and what its answer is told with."""

    id: str
    key: KeySnapshot
    check: list[Any]
    reasons: list[Refused] | None
    """What a dry run found before the script."""


class Decider:
    """Answers checks from snapshots and one script call."""

    def __init__(
        self, snapshots: Snapshots, script: Script, restore: Callable[[], Awaitable[None]]
    ) -> None:
        self.snapshots, self.script, self.restore = snapshots, script, restore
        self.told = [0] * (max(Code) + 1)
        """Decisions by code, for monitoring."""
        self.short = 0
        """Of these, how many on the short way (keys.gateway.quick)."""
        self.guesses = Guesses()
        self.upgrades = Upgrades(snapshots.pool)
        self.exposures = Exposures(snapshots.pool)
        # Gateways whose credential was verified against the very snapshot that is held.
        self.proved: dict[str, GatewaySnapshot] = {}
        self.dry_runs = configuration.DRY_RUN_RATE()
        self.brand = configuration.KEY_BRAND()
        self.prefix = f"{self.brand}_"
        # A reference, not the subject: keyed, so that it can't be guessed back from a dump.
        ring = configuration.KEY_PEPPERS()
        self.subject_key = hmac.digest(ring[min(ring)], b"countersign subject reference", "sha256")

    def proved_gateway(self, credential: str | None, caller: Caller) -> GatewaySnapshot | None:
        """The gateway whose credential was verified against the snapshot held now, else None."""
        proved = self.proved.get(credential) if credential else None
        if (
            proved is not None
            and self.snapshots.gateways.get(proved.kid) is proved
            and _here(proved, caller)
        ):
            return proved
        return None

    async def gateway(
        self, credential: str | None, caller: Caller, key: str | None = None
    ) -> GatewaySnapshot:
        """The gateway behind a credential; raises Unauthorized, one answer for every reason.

        `key` is what it asks about, so that both misses are one statement.
        """
        shape = tokens.parse(credential) if credential else None
        if credential is None or shape is None or shape.brand != tokens.GATEWAY:
            raise Unauthorized
        for _ in range(ROUNDS):
            held = self.snapshots.gateway(shape.kid)
            if held is None:
                await self.snapshots.load(shape.kid, self._missing(key))
                continue
            known = isinstance(held, GatewaySnapshot)
            if isinstance(held, GatewaySnapshot) and _usable(held, credential, caller):
                if len(self.proved) >= PROVED:
                    self.proved.clear()
                self.proved[credential] = held
                self.upgrades.note("gateway", held.kid, credential, held.pepper)
                return held
            # A refusal has to be fresh too: the gateway may have come into being just now.
            if not known:
                tokens.verify(credential, tokens.NOBODY, tokens.newest_pepper())
            names = believed_of_gateway(held) if isinstance(held, GatewaySnapshot) else []
            stamp = held.stamp if isinstance(held, Negative) else False
            state = (await self.script.ask([FRESH, stamp, names, False]))[0]
            if state == answers.DECIDED:
                clear = _in_clear(held, credential, caller)
                if clear:
                    self.exposures.note("gateway", shape.kid, "plain", caller)
                raise Unauthorized(in_clear=clear)
            await self._still_deciding(state)
            self.snapshots.unknown_gateways.drop(shape.kid)
            await self.snapshots.load(shape.kid, None)
        raise StoreUnavailable

    def _missing(self, key: str | None) -> str | None:
        shape = tokens.parse(key) if key else None
        return shape.kid if shape and self.snapshots.key(shape.kid) is None else None

    async def _still_deciding(self, state: int) -> None:
        """Whether another round may decide; raises StoreUnavailable when none can."""
        if state == answers.NO_ERA:
            await self.restore()
        elif state not in (answers.STALE, answers.COLD, answers.NEGATIVE_STALE):
            raise StoreUnavailable

    async def may_dry_run(self, gateway: GatewaySnapshot) -> bool:
        """Whether this gateway has a dry run left in this second."""
        for _ in range(ROUNDS):
            state = (await self.script.ask([DRY_RUN, gateway.id, self.dry_runs]))[0]
            if state in (answers.DECIDED, answers.TOO_MANY):
                return bool(state == answers.DECIDED)
            await self._still_deciding(state)
        raise StoreUnavailable

    async def decide(
        self, gateway: GatewaySnapshot, credential: str, caller: Caller, ask: Ask,
        *, read_as: frozenset[str] | None = None,
    ) -> Decision:  # fmt: skip
        """Decide. Raises StoreUnavailable, Invalid, or Unauthorized: the gateway has changed.

        `read_as` are the declared headers that `ask` was read under; when the gateway declares
        others now, GatewayChanged is raised before anything is spent.
        """
        if not ask.key:
            return Decision(Code.KEY_MISSING)
        shape = tokens.parse(ask.key) if len(ask.key) <= tokens.LONGEST else None
        if shape is None or shape.brand != self.brand:
            self.guesses.count(gateway.id, ask.ip, Code.KEY_MALFORMED)
            return Decision(Code.KEY_MALFORMED)
        for _ in range(ROUNDS):
            held = self.snapshots.key(shape.kid)
            if held is None:
                await self.snapshots.load(None, shape.kid)
                continue
            if isinstance(held, KeySnapshot) and self._proved(gateway, held, ask.key):
                prepared = self.prepare(gateway, held, ask)
                answer = await self.script.ask(prepared.check)
                if answer[0] == answers.DECIDED:
                    self.upgrades.note("key", shape.kid, ask.key, held.pepper)
                    return decision_of(prepared.id, held, answer, prepared.reasons)
            else:
                answer = await self._unknown(gateway, held, ask)
                if answer[0] == answers.DECIDED:
                    return Decision(Code.KEY_UNKNOWN)
            await self._still_deciding(answer[0])
            self.snapshots.unknown_keys.drop(shape.kid)
            await self.snapshots.load(tokens.parse(credential).kid, shape.kid)  # type: ignore[union-attr]  # it was parsed before
            gateway = await self.gateway(credential, caller)
            if read_as is not None and gateway.declared != read_as:
                raise GatewayChanged
        raise StoreUnavailable

    async def expose(self, texts: Iterable[str], way: Way, caller: Caller) -> None:
        """Note which of these are keys. For texts that a proved gateway sent in the open."""
        for shape, text in [(tokens.parse(text), text) for text in islice(texts, MOST_EXPOSED)]:
            if shape is None or shape.brand != self.brand:
                continue
            with suppress(StoreUnavailable):
                if self.snapshots.key(shape.kid) is None:
                    await self.snapshots.load(None, shape.kid)
                held = self.snapshots.key(shape.kid)
                if isinstance(held, KeySnapshot) and tokens.verify(text, held.digest, held.pepper):
                    self.exposures.note("key", shape.kid, way, caller)

    def held_key(self, gateway: GatewaySnapshot, ask: Ask) -> KeySnapshot | None:
        """The key that is held and proved by this text, and this gateway's to ask about."""
        if not ask.key.startswith(self.prefix):
            return None
        held = self.snapshots.keys.get(tokens.kid_in(ask.key))
        return held if held is not None and self._proved(gateway, held, ask.key) else None

    @staticmethod
    def _proved(gateway: GatewaySnapshot, key: KeySnapshot, text: str) -> bool:
        """The secret is right and the key is this gateway's to ask about."""
        return (
            tokens.verify(text, key.digest, key.pepper)
            and key.tenant.id in gateway.tenants
            and key.environment in gateway.environments
            and key.api.id == gateway.api
        )

    async def _unknown(
        self, gateway: GatewaySnapshot, held: KeySnapshot | Negative, ask: Ask
    ) -> Answer:
        """Refuse as unknown, at the cost of a known key, when Redis agrees that it still is."""
        stamp = False if isinstance(held, KeySnapshot) else held.stamp
        if isinstance(held, KeySnapshot):
            names = believed(gateway, held)
        else:
            tokens.verify(ask.key, tokens.NOBODY, tokens.newest_pepper())
            names = believed_of_gateway(gateway)
        field = guess(gateway.id, ask.ip, Code.KEY_UNKNOWN)
        return await self.script.ask([FRESH, stamp, names, False if ask.dry_run else field])

    def prepare(self, gateway: GatewaySnapshot, key: KeySnapshot, ask: Ask) -> Prepared:
        """All that is decided without Redis, and what Redis is asked. Raises Invalid."""
        route = route_of(key, ask)
        purpose = purpose_of(ask, route)
        found = refusals(key, ask, route, purpose)
        reasons = list(found) if ask.dry_run else [r for r in (next(found, None),) if r]
        rank = min((r.code for r in reasons), default=Code.OK)
        decision_id = uuid7(SHARD)
        entry = not ask.dry_run and self._entry(decision_id, gateway, key, ask, route, purpose)
        costs = [ask.usage.get(limit.unit, -1) for limit in key.limits]
        check = [
            DECIDE, believed(gateway, key), rank, key.ends, key.packed_limits, costs,
            not ask.dry_run, entry,
        ]  # fmt: skip
        return Prepared(decision_id, key, check, reasons if ask.dry_run else None)

    def _entry(
        self, decision_id: str, gateway: GatewaySnapshot, key: KeySnapshot, ask: Ask,
        route: Route | None, purpose: str | None,
    ) -> str:  # fmt: skip
        """The decision as the drain will read it (keys.draining.Entry): no path, no subject."""
        subject = ""
        if ask.subject is not None:
            message = f"{key.tenant.id}|{ask.subject}".encode()
            subject = hmac.new(self.subject_key, message, sha256).hexdigest()[:32]
        usage = ask.usage
        if not usage.keys() <= key.units:
            usage = {unit: number for unit, number in usage.items() if unit in key.units}
        text = _json(
            (
                decision_id, key.tenant.id, key.id, key.kid, gateway.id, usage,
                ask.ip.text if ask.ip else None, route.method if route else "",
                route.pattern if route else "", route.scopes if route else (), ask.scopes,
                ask.model or "", subject, purpose or "",
            )
        )  # fmt: skip
        return text.decode()  # Redis' own MessagePack knows text, not bytes


_json = msgspec.json.Encoder().encode
