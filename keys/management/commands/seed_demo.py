"""Seed the demo tenants on a database that is migrated already."""

from keys.management.commands import prepare


class Command(prepare.Command):
    help = "Seed the demo tenants as the application's role; --demo-file says where to."
    migrates = False
