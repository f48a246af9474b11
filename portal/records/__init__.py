"""Django's ModelAdmin over the governed tables: every row to look at, none to change.

A change there would go round the verbs that record it.
"""

from typing import Any

from django.contrib import admin
from django.urls import reverse

from portal.records.tables import MODELS
from portal.tenancy.pages.page import Page


def register(site: admin.AdminSite) -> None:
    """Put all of them on the site."""
    for model, shown in MODELS.items():
        site.register(model, shown)


class Records(Page):
    """`/admin/records/`: what there is to look at row by row."""

    needs = "tenants:read"
    section = "records"
    template = "records/index.html"

    def context(self) -> dict[str, Any]:
        return {
            "models": [
                (
                    shown.title,
                    reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
                    shown.what,
                )
                for model, shown in MODELS.items()
            ]
        }
