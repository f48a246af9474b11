"""The tools' Django app: the outbox, the database's functions and the grants."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from portal.core.grants import grant_after_migrate


class CoreConfig(AppConfig):
    name = "portal.core"
    label = "core"
    default_auto_field = "django.db.models.BigAutoField"
    check_functions = ("outbox_claim", "outbox_done")

    def ready(self) -> None:
        post_migrate.connect(grant_after_migrate, sender=self)
