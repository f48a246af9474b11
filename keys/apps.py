"""The keys' Django app, and what the check path's role may execute of it."""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "keys"
    default_auto_field = "django.db.models.BigAutoField"
    read_only = (
        "keys_decision", "keys_hourlyusage", "keys_quotawindow",
        "keys_secretuse", "keys_seen", "keys_unknownkeys", "keys_drainposition",
        "keys_tenantusage", "keys_topkey",
    )  # fmt: skip
    check_functions = (
        "check_snapshots", "drain_apply", "drain_position", "drain_unknown",
        "quota_windows_open", "credential_upgrade", "credential_exposed",
    )  # fmt: skip
    app_functions = (
        "decision_partitions_make", "decision_partitions_drop", "usage_forget", "top_keys_count",
    )  # fmt: skip
