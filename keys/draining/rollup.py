"""A stretch of the stream as the rows that `drain_apply` writes. Pure."""

from typing import Any, Final

import msgspec

from keys.codes import Code

HOUR: Final = 3_600_000


class Entry(msgspec.Struct, array_like=True):
    """One decision as the check path logged it (keys.decision.decider)."""

    id: str
    tenant: str
    key: str
    kid: str
    gateway: str
    usage: dict[str, int]
    address: str | None
    method: str
    route: str
    route_scopes: list[str]
    scopes: list[str]
    model: str
    subject: str
    purpose: str


Charge = tuple[str, int, int, int]
"""Counter, start and end of its window in milliseconds, units."""
Logged = tuple[str, int, int, list[Charge]]
"""An entry's text, the code, the script's clock, what was charged."""

_packs = msgspec.msgpack.Decoder(list[Logged])
_entry = msgspec.json.Decoder(Entry)


class Rollup:
    """Sums of one stretch."""

    def __init__(self) -> None:
        self.decisions: list[dict[str, Any]] = []
        self.quota: dict[tuple[str, int], dict[str, Any]] = {}
        self.usage: dict[tuple[str, int, str], dict[str, Any]] = {}
        self.uses: dict[str, dict[str, Any]] = {}
        self.seen: dict[tuple[str, str, str], dict[str, Any]] = {}

    def add(self, pack: bytes) -> None:
        """Add what one script call logged."""
        for text, rank, at, charges in _packs.decode(pack):
            entry, code = _entry.decode(text), Code(rank)
            self._decision(entry, code, at)
            self._charges(entry, charges)
            self._usage(entry, code, at)
            if code is Code.OK:
                self._seen(entry, at)

    def _decision(self, entry: Entry, code: Code, at: int) -> None:
        self.decisions.append(
            {
                "id": entry.id, "tenant_id": entry.tenant, "at": at, "key_id": entry.key,
                "kid": entry.kid, "gateway_id": entry.gateway, "code": code.name,
                "units": entry.usage, "address": entry.address, "method": entry.method,
                "route": entry.route, "model": entry.model, "subject_ref": entry.subject,
                "purpose": entry.purpose,
            }
        )  # fmt: skip

    def _charges(self, entry: Entry, charges: list[Charge]) -> None:
        for counter, start, end, units in charges:
            row = self.quota.setdefault(
                (counter, start),
                {
                    "tenant_id": entry.tenant,
                    "counter": counter,
                    "start": start,
                    "end": end,
                    "used": 0,
                },
            )
            row["used"] += units

    def _usage(self, entry: Entry, code: Code, at: int) -> None:
        hour = at - at % HOUR
        row = self.usage.setdefault(
            (entry.key, hour, code.name),
            {
                "tenant_id": entry.tenant, "key_id": entry.key, "hour": hour, "code": code.name,
                "decisions": 0, "units": {},
            },
        )  # fmt: skip
        row["decisions"] += 1
        if code is Code.OK:
            for unit, number in entry.usage.items():
                row["units"][unit] = row["units"].get(unit, 0) + number
            used = {"kid": entry.kid, "tenant_id": entry.tenant, "key_id": entry.key, "at": at}
            self.uses[entry.kid] = {**used, "address": entry.address}

    def _seen(self, entry: Entry, at: int) -> None:
        values = [("scope", scope) for scope in {*entry.route_scopes, *entry.scopes}]
        values += [("model", entry.model)] if entry.model else []
        values += [("address", entry.address)] if entry.address else []
        for kind, value in values:
            self.seen[(entry.key, kind, value)] = {
                "key_id": entry.key, "kind": kind, "value": value, "tenant_id": entry.tenant,
                "at": at,
            }  # fmt: skip

    def batch(self) -> bytes:
        """The argument of `drain_apply`; rows in one order, so that two writers never deadlock."""
        return msgspec.json.encode(
            {
                "decisions": self.decisions,
                "quota": [self.quota[k] for k in sorted(self.quota)],
                "usage": [self.usage[k] for k in sorted(self.usage)],
                "uses": [self.uses[k] for k in sorted(self.uses)],
                "seen": [self.seen[k] for k in sorted(self.seen)],
            }
        )
