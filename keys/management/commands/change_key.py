"""Change a key."""

from typing import Any

from django.core.management.base import CommandParser

from keys.changing import change_key
from keys.definitions import parse_key_patch
from portal.core import strictjson
from portal.tenancy.management.verb import VerbCommand


class Command(VerbCommand):
    help = 'Change a key by a merge patch, such as \'{"allowed_cidrs": ["203.0.113.0/24"]}\'.'

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", help="id, such as key_7Kq2mX9aB4cD")
        parser.add_argument("patch", help="JSON; `limits` are replaced whole, null resets")
        parser.add_argument("--if-version", type=int, help="refuse if it is another by now")

    def act(self, *, key: str, patch: str, if_version: int | None, **_: Any) -> None:
        changed = change_key(
            actor=self.actor,
            key_id=key,
            expected_version=if_version,
            patch=parse_key_patch(strictjson.loads(patch.encode())),
        )
        self.tell(f"It is version {changed.key.version}; propagation: {changed.propagation}.")
