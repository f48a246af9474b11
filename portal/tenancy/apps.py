"""Who: tenants, people, roles, Apis, gateways, management tokens, and the database's scopes."""

from django.apps import AppConfig


class TenancyConfig(AppConfig):
    name = "portal.tenancy"
    label = "tenancy"
    default_auto_field = "django.db.models.BigAutoField"
    app_functions = (
        "tenancy_management_token", "tenancy_token_used", "tenancy_token_upgrade",
        "tenancy_session_read", "tenancy_session_write", "tenancy_session_end",
        "tenancy_person_read", "tenancy_places", "tenancy_try", "tenancy_try_back",
        "tenancy_provider_read", "tenancy_deprovisioning_token", "tenancy_deprovisioning_used",
        "tenancy_deprovisioning_upgrade",
    )  # fmt: skip
