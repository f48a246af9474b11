"""The record's Django app: entries, their erasable payloads and the objects' salts."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "audit.ledger"
    label = "ledger"
    default_auto_field = "django.db.models.BigAutoField"
    append_only = ("ledger_entry",)
