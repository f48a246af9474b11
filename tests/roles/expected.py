"""What each cell of the table answers: the matrix, and how a page says no."""

from collections.abc import Callable
from typing import Final

from portal.tenancy.roles import ACTIONS, PLATFORM_ACTIONS
from tests.roles.table import (
    EVERYBODY,
    INVITED,
    LEADS_ON,
    MEMBERS,
    NO_ONE,
    NOT_SIGNED_IN,
    PLATFORM,
    SIGNED_IN,
    Row,
)

LOGIN: Final = 302
"""Who is not signed in is sent to do so."""
FIXED: Final[dict[str, Callable[[str], bool]]] = {
    EVERYBODY: lambda role: True,
    SIGNED_IN: lambda role: role != "nobody",
    NOT_SIGNED_IN: lambda role: role == "nobody",
    NO_ONE: lambda role: False,
    INVITED: lambda role: False,
}


def may(area: str, action: str, role: str) -> bool:
    """Whether the matrix lets a role do this, in this area: `admin`, `tenant`, `others`."""
    if action in FIXED:
        return FIXED[action](role)
    if area == "tenant":
        return role in MEMBERS and action in ACTIONS[role]
    return role in PLATFORM and action in PLATFORM_ACTIONS[role]


def refused(area: str, row: Row, action: str, role: str) -> int:
    """What a role that may not is answered."""
    if action == NO_ONE:
        return row.refuses
    if role == "nobody" or action == NOT_SIGNED_IN:
        return LOGIN
    if action == INVITED:
        return 404
    # That there is such a tenant is for its members to know.
    return 404 if area == "tenant" and role not in MEMBERS else 403


def seen(area: str, row: Row, role: str) -> int:
    """What a GET answers."""
    if not may(area, row.see, role):
        return refused(area, row, row.see, role)
    if row.shows == LEADS_ON:
        return 200 if role in PLATFORM else 302
    return row.shows


def sent(area: str, row: Row, role: str) -> int:
    """What a POST answers: of a page without a form, that it takes none."""
    if row.send:
        return row.done if may(area, row.send, role) else refused(area, row, row.send, role)
    if may(area, row.see, role):
        return 405
    return refused(area, row, row.see, role)
