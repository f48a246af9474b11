"""Models and migrations say the same."""

import io

from django.core.management import call_command


def test_no_model_has_changed_without_its_migration() -> None:
    said = io.StringIO()
    call_command("makemigrations", check=True, dry_run=True, stdout=said)
    assert "No changes detected" in said.getvalue()
