"""`manage.py configuration_doc`: write docs/configuration.md."""

from typing import Any

from django.core.management.base import BaseCommand

from portal.core.configuration_doc import DOCUMENT, text


class Command(BaseCommand):
    """Writes the document from the registry; a test fails while it is not current."""

    help = "Write docs/configuration.md from the registry of settings."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file."""
        DOCUMENT.write_text(text())
        self.stdout.write(str(DOCUMENT))
