"""Every page with a form, and every file, takes a proof of the last minutes, or has its reason."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.urls import URLPattern, reverse

from portal import admin_site, tenant_site
from portal.tenancy.models import Person
from portal.tenancy.pages.page import Page
from portal.tenancy.scope import platform_scope
from portal.urls import urlpatterns
from tests.cast import Cast
from tests.pages.browser import Browser, staff

BEFORE = "nobody is signed in yet"
ASKS = "its form asks for a code itself"
NOT_FRESH = {
    "login": BEFORE,
    "login-code": BEFORE,
    "login-recovery": BEFORE,
    "login-passkey": BEFORE,
    "login-code-passkey": BEFORE,
    "login-forgot": BEFORE,
    "logout": "it only takes away, from oneself",
    "security-sessions": "it only takes away, from oneself",
    "security-session": "it only takes away, from oneself",
    "job": "it only takes away, from oneself",
    "security-prove": "it is the proof",
    "security-factor": "it sends a mail to oneself, as often as three times",
    "security-password": ASKS,
    "password_change": ASKS,
    "security-codes": ASKS,
    "security-app": ASKS,
    "security-passkey-new": ASKS,
    "security-passkey-remove": ASKS,
    "security-passkey-name": "it changes no more than what one calls it",
    "key": "a trial changes nothing",
    "setup": BEFORE,
    "reset": BEFORE,
    "sso": BEFORE,
    "sso-platform": BEFORE,
    "sso-tenant": BEFORE,
    "sso-code": BEFORE,
    "sso-recovery": BEFORE,
    "sso-factor": BEFORE,
    "sso-link": ASKS,
}
"""Pages with a form that take no proof, each with its reason."""

Site = tuple[str, list[URLPattern]]
BESIDE = [
    pattern for pattern in urlpatterns
    if isinstance(pattern, URLPattern) and not str(pattern.pattern).startswith("v1/")
    and hasattr(pattern.callback, "view_class")
]  # fmt: skip
"""Pages of neither site; at the API there is nobody to ask."""
SITES: list[Site] = [
    ("admin", admin_site.PAGES), ("tenant", tenant_site.PAGES), ("", BESIDE),
]  # fmt: skip


def pages() -> Iterator[tuple[str, str, type[Any]]]:
    """(namespace, URL name, class) of every page."""
    for namespace, patterns in SITES:
        for pattern in patterns:
            yield namespace, str(pattern.name), pattern.callback.view_class  # type: ignore[attr-defined]  # Django's as_view


def has_form(view: type[Any]) -> bool:
    return getattr(view, "post", Page.post) is not Page.post


FRESH = [(n, name) for n, name, view in pages() if has_form(view) and name not in NOT_FRESH]


def address(namespace: str, name: str, slug: str) -> str:
    """The page's address, of things that need not be there: the proof is asked for before."""
    pattern = next(p for n, pages in SITES for p in pages if (n, p.name) == (namespace, name))
    made = {"slug": slug, "uuid": UUID(int=1), "objectid": "xyz_0123456789ab", "string": "x"}
    kinds = {key: type(held).__name__ for key, held in pattern.pattern.converters.items()}
    given = {key: made[kind.removesuffix("Converter").lower()] for key, kind in kinds.items()}
    if namespace == "tenant":
        given["slug"] = slug
    return reverse(f"{namespace}:{name}".removeprefix(":"), kwargs=given)


@pytest.fixture
def stale(acme: Cast) -> dict[str, Browser]:
    """Who may everything, and proved nothing for six minutes: the platform's, and a tenant's."""
    with platform_scope("a test signs someone in"):
        ada = Person.objects.get(id=acme.owner.id)
    return {
        "admin": Browser(staff("Sol", "security_admin"), proved_ago=360),
        "tenant": Browser(ada, proved_ago=360),
        "": Browser(ada, proved_ago=360),
    }


def test_every_page_with_a_form_takes_a_proof_or_has_its_reason() -> None:
    with_form = {name for _, name, view in pages() if has_form(view)}
    assert set(NOT_FRESH) <= with_form
    for _, name, view in pages():
        fresh = issubclass(view, Page) and view.fresh
        if has_form(view):
            assert fresh is (name not in NOT_FRESH), name


def test_there_are_some_of_both_sites() -> None:
    assert len([name for n, name in FRESH if n == "admin"]) > 25
    assert len([name for n, name in FRESH if n == "tenant"]) >= 6


@pytest.mark.parametrize(("namespace", "name"), FRESH)
def test_with_an_old_proof_it_is_neither_shown_nor_done(
    stale: dict[str, Browser], acme: Cast, namespace: str, name: str
) -> None:
    path = address(namespace, name, acme.tenant.slug)
    for answer, late in ((stale[namespace].get(path), ""), (stale[namespace].post(path), "form")):
        assert answer.status == 302, name
        told = f"/admin/security/prove/?next={path}" + (f"&late={late}" if late else "")
        assert answer.goes_to == told


@pytest.mark.parametrize(("namespace", "least"), [("admin", 10), ("tenant", 4)])
def test_no_file_leaves_with_an_old_proof(
    stale: dict[str, Browser], acme: Cast, namespace: str, least: int
) -> None:
    fresh, given = Browser(stale[namespace].person), 0
    for n, name, view in pages():
        path = address(n, name, acme.tenant.slug)
        if n != namespace or has_form(view) or "xyz_" in path or "00000001" in path:
            continue
        file = fresh.get(path, format="csv")
        if file.status != 200 or "text/csv" not in file.headers["content-type"]:
            continue
        given += 1
        answer = stale[namespace].get(path, format="csv")
        assert answer.status == 302, path
        assert answer.goes_to.startswith("/admin/security/prove/?next="), path
        assert answer.goes_to.endswith("&late=file"), path
    assert given >= least


def test_what_is_only_looked_at_takes_none(stale: dict[str, Browser], acme: Cast) -> None:
    slug = acme.tenant.slug
    for path in ("/admin/", "/admin/keys/", "/admin/ledger/", f"/admin/tenants/{slug}/",
                 "/admin/security/", f"/admin/keys/{acme.issue().key.id}/"):  # fmt: skip
        assert stale["admin"].get(path).status == 200, path
    assert stale["tenant"].get(f"/t/{slug}/keys/").status == 200


def test_a_form_of_its_own_takes_a_proof_by_default() -> None:
    assert Page.fresh is True
