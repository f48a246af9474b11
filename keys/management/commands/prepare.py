"""Make the database ready before anything serves."""

import json
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from keys.demo import prepare_demo

DAYS_AHEAD = 7


class Command(BaseCommand):
    help = "Migrate as the owner, make the coming days' partitions and seed the demo tenants."
    requires_system_checks: list[str] = []  # they may ask the database for what is not there yet
    migrates = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo-file", type=Path, help="seed the demo, credentials to here")
        parser.add_argument("--base-url", default="http://127.0.0.1:8000")
        parser.add_argument("--no-migrate", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if self.migrates and not options["no_migrate"]:
            call_command("migrate", database="owner", verbosity=0, interactive=False)
        with connection.cursor() as cursor:
            cursor.execute("SELECT decision_partitions_make(%s)", [DAYS_AHEAD])
        if options["demo_file"]:
            demo = prepare_demo(options["demo_file"], options["base_url"])
            told = ("setup_url", "key", "gateway_token", "base_url")
            self.stdout.write(json.dumps({name: demo[name] for name in told}))
