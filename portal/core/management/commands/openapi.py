"""`manage.py openapi`: write docs/openapi.json."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand

DOCUMENT: Final = Path(settings.BASE_DIR) / "docs" / "openapi.json"


class Command(BaseCommand):
    """Writes the schema from the routed views; a test fails while it is not current."""

    help = "Write docs/openapi.json."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file. The schema is the composition's, which stands above this floor."""
        document = import_module("portal.openapi").document()
        DOCUMENT.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        self.stdout.write(str(DOCUMENT))
