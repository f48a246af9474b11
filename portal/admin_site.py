"""The admin: Django's own site behind a second factor, with our pages in front of its own.

Every address below /admin/ is named here. Our pages come first; Django's, which only show rows, are
found behind them by app and model.
"""

from django.urls import URLPattern, URLResolver, path, register_converter
from django_otp.admin import OTPAdminSite

from portal.overview import Overview
from portal.tenancy.pages.tenants import Tenants


class ObjectId:
    """An id of ours in an address: it never looks like one of Django's app labels."""

    regex = "[a-z]{3}_[0-9A-Za-z]{1,32}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ObjectId, "id")

PAGES: list[URLPattern] = [
    path("", Overview.as_view(), name="index"),
    path("tenants/", Tenants.as_view(), name="tenants"),
]


class AdminSite(OTPAdminSite):  # type: ignore[misc]  # django-otp has no types
    """Django's admin site, with our overview for an index and our sign-in."""

    site_title = site_header = "Countersign"
    index_title = "Overview"
    login_form = None
    site_url = None

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Ours first."""
        return [*PAGES, *super().get_urls()]


site = AdminSite(name="admin")
