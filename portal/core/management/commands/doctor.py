"""`manage.py doctor`: is anything missing, wrong or unsafe?"""

from typing import Any

from django.core.management.base import BaseCommand

from portal.core.doctor import examine


class Command(BaseCommand):
    """One line a finding; exit 1 if anything would be unsafe in production."""

    help = "Check every setting and dependency; exit 1 if anything would be unsafe in production."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the findings and how many there are of each kind."""
        levels = []
        for finding in examine():
            self.stdout.write(str(finding))
            levels.append(finding.level)
        failed, warned = levels.count("FAIL"), levels.count("warn")
        self.stdout.write(f"{levels.count('ok')} ok, {warned} to warn of, {failed} unsafe")
        if failed:
            raise SystemExit(1)
