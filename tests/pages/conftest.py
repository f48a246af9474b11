"""A browser without scripts: Sol is the security admin, Ira the auditor."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.pages.browser import Browser, staff


@pytest.fixture
def sol() -> Browser:
    """The security admin, signed in with both factors."""
    return Browser(staff("Sol", "security_admin"))


@pytest.fixture
def ira() -> Browser:
    """The auditor, signed in with both factors."""
    return Browser(staff("Ira", "auditor"))


@pytest.fixture
def nobody() -> Client:
    """A browser that is not signed in."""
    return Client(raise_request_exception=False)


@pytest.fixture
def queries() -> Callable[[], object]:
    """`with queries() as told:` counts the queries of what is done inside."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    return lambda: CaptureQueriesContext(connection)
