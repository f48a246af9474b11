"""Revoke a key."""

from typing import Any

from django.core.management.base import CommandParser

from keys.revocation import revoke_key
from portal.tenancy.management.verb import VerbCommand


class Command(VerbCommand):
    help = "End a key, for ever."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", help="id, such as key_7Kq2mX9aB4cD")
        parser.add_argument("--reason", required=True, help="why, for the record")

    def act(self, *, key: str, reason: str, **_: Any) -> None:
        changed = revoke_key(actor=self.actor, key_id=key, reason=reason)
        self.tell(f"It is {changed.key.state}; propagation: {changed.propagation}.")
