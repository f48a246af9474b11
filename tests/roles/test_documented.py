"""docs/security.md says who may do what, and nothing else may anybody."""

import re
from typing import Final

from portal.tenancy.roles import ACTIONS, MANAGEMENT_SCOPES, PLATFORM_ACTIONS
from tests.plugin import ROOT

ROLES: Final = {
    "security admin": PLATFORM_ACTIONS["security_admin"], "auditor": PLATFORM_ACTIONS["auditor"],
    "owner": ACTIONS["owner"], "developer": ACTIONS["developer"],
    "privacy officer": ACTIONS["privacy_officer"], "viewer": ACTIONS["viewer"],
}  # fmt: skip
HEAD: Final = "| | " + " | ".join(ROLES) + " |"


def told() -> dict[str, set[str]]:
    """The table of docs/security.md: the actions of each role."""
    text = (ROOT / "docs" / "security.md").read_text()
    table = text.partition(HEAD + "\n")[2].partition("\n\n")[0]
    found: dict[str, set[str]] = {role: set() for role in ROLES}
    for line in table.splitlines()[1:]:
        areas, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        for role, cell in zip(ROLES, cells, strict=True):
            verbs = [] if cell == "–" else cell.split(", ")
            found[role] |= {f"{a}:{v}" for a in re.findall("`([a-z-]+)`", areas) for v in verbs}
    return found


def test_the_documented_matrix_is_the_one_in_force() -> None:
    assert told() == {role: set(actions) for role, actions in ROLES.items()}


def test_who_has_no_role_may_nothing() -> None:
    assert PLATFORM_ACTIONS[""] == frozenset()
    assert set(PLATFORM_ACTIONS) == {"", "security_admin", "auditor"}
    assert set(ACTIONS) == {"owner", "developer", "privacy_officer", "viewer"}


def test_no_management_token_can_hold_what_governs_people_and_tokens() -> None:
    for area in ("members", "tokens", "own-tokens", "tenants", "people", "gateways", "mail"):
        assert not {s for s in MANAGEMENT_SCOPES if s.startswith(f"{area}:")}, area
