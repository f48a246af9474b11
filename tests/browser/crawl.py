"""Walks the pages as a person clicks: every kind of them, reached from the overview by links."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from urllib.parse import urljoin, urlsplit

from django.urls import Resolver404, resolve
from playwright.sync_api import Error

from portal import admin_site, tenant_site
from tests.browser.watch import Tab

NOT_BY_LINK = {
    "guide-file": "a file",
    "login": "who is signed in is not sent there",
    "login-code": "a step of signing in",
    "login-recovery": "a step of signing in",
    "login-factor": "a step of signing in",
    "login-forgot": "who is signed in is not sent there",
    "security-prove": "asked before what is dangerous",
    "security-factor": "for who has none",
    "login-passkey": "who is signed in is not sent there",
    "login-code-passkey": "a step of signing in",
    "job-file": "a file",
    "logout": "a button",
    "overview-csv": "a file",
    "password_change": "what Django calls security-password",
    "person-sso": "there only with a provider of the platform's: tests/browser/test_sso.py",
    "security-sessions": "a button",
}
"""Pages that no link leads to, each with its reason."""

STOCK = ("_changelist", "_change")
"""How Django's own pages are called: many of two kinds, of which three each are looked at."""


def names(root: str = "/admin/") -> set[str]:
    """Every page of ours below `root`, by its URL name."""
    site = admin_site if root == "/admin/" else tenant_site
    return {str(page.name) for page in site.PAGES}


def name_of(path: str) -> str | None:
    """The URL name of an address of the admin or a tenant; None for what is not a page there.

    All of Django's own go by the name of their kind.
    """
    try:
        match = resolve(urlsplit(path).path)
    except Resolver404:
        return None
    if match.namespace not in ("admin", "tenant") or match.url_name is None:
        return None
    name = match.url_name
    return next((kind for kind in STOCK if name.endswith(kind)), name)


def crawl(
    tab: Tab, *, each: int = 2, also: Sequence[str] = (), root: str = "/admin/"
) -> Iterator[tuple[str, int]]:
    """Visit up to `each` addresses of every URL name; yields (path, status), open in `tab`.

    Only what is below `root` is walked: the admin, or one tenant's pages.

    `also` are addresses that links lead to only from what is in some other state.
    """
    waiting, last, visited = deque([root]), deque(also), Counter[str]()
    seen = {root, *also}
    while waiting or last:
        path = waiting.popleft() if waiting else last.popleft()
        name = name_of(path)
        if name is None or visited[name] >= (3 if name in STOCK else each):
            continue
        visited[name] += 1
        try:
            answer = tab.page.goto(f"{tab.base}{path}")
        except Error as error:
            if "Download is starting" in error.message:
                continue
            raise
        assert answer is not None, path
        if "text/html" not in answer.headers.get("content-type", ""):
            continue
        yield path, answer.status
        links: list[str] = tab.page.eval_on_selector_all(
            "a[href]", "links => links.filter(a => !a.download).map(a => a.getAttribute('href'))"
        )
        for link in links:
            address = urlsplit(urljoin(path, link))
            if address.netloc or not address.path.startswith(root):
                continue
            if "format=" in address.query:
                continue  # a file to keep
            where = address.path + (f"?{address.query}" if address.query else "")
            if where not in seen:
                seen.add(where)
                waiting.append(where)
