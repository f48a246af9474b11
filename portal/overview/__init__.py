"""The first page: how everything stands. It alone joins what the products show."""

from portal.overview.own import OwnOverview
from portal.overview.page import Overview, OverviewCsv

__all__ = ["Overview", "OverviewCsv", "OwnOverview"]
