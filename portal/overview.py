"""The first page: how everything stands. It alone joins what the products show."""

from portal.tenancy.pages.page import Page


class Overview(Page):
    """`/admin/`."""

    needs = "usage:read"
    section = "index"
    template = "overview/overview.html"
