"""Who did it, as text: the ledger holds no foreign keys, so that history outlives its people."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["user", "service", "system", "gateway"]


@dataclass(frozen=True, kw_only=True)
class Who:
    """An actor as the ledger knows it. `label` and `address` are personal: in the payload only."""

    kind: Kind
    id: str
    label: str
    auth: tuple[str, ...] = ()
    """How it proved itself: `management_token`, `pwd`, `otp`, …"""
    request_id: str | None = None
    address: str | None = None
