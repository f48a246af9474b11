"""Disable a person."""

from typing import Any

from django.core.management.base import CommandParser

from portal.core.refusals import Refusal
from portal.tenancy.management.verb import VerbCommand
from portal.tenancy.models import Person
from portal.tenancy.people import disable_person
from portal.tenancy.scope import platform_scope


class Command(VerbCommand):
    help = "Stop a person: their sign-in, their tokens and the keys that they own."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--reason", required=True)

    def act(self, *, email: str, reason: str, **_: Any) -> None:
        with platform_scope("a command names a person by their address"):
            person = Person.objects.filter(email=email.lower()).first()
        if person is None:
            raise Refusal("NOT_FOUND", "There is no such person.")
        propagation = disable_person(actor=self.actor, person_id=person.id, reason=reason)
        self.tell(f"Disabled; propagation: {propagation}.")
