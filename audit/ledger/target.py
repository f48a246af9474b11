"""What an event happened to, as text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """An object as the ledger knows it: `Target("key", "key_7Kq2mX9aB4cD", "billing")`.

    `label` may be personal: it goes in the payload, `type` and `id` in the envelope.
    """

    type: str
    id: str
    label: str = ""
