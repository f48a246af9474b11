"""Walks the admin as a person clicks: every kind of page, reached from the overview by links."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from urllib.parse import urljoin, urlsplit

from django.urls import Resolver404, resolve
from playwright.sync_api import Error

from portal.admin_site import PAGES
from tests.browser.watch import Tab

NOT_BY_LINK = {
    "login": "who is signed in is not sent there",
    "login-code": "a step of signing in",
    "login-recovery": "a step of signing in",
    "login-passkey": "who is signed in is not sent there",
    "login-code-passkey": "a step of signing in",
    "logout": "a button",
    "overview-csv": "a file",
    "password_change": "what Django calls security-password",
    "security-sessions": "a button",
}
"""Pages that no link leads to, each with its reason."""

STOCK = ("_changelist", "_change")
"""How Django's own pages are called: many of two kinds, of which three each are looked at."""


def names() -> set[str]:
    """Every page of ours, by its URL name."""
    return {str(page.name) for page in PAGES}


def name_of(path: str) -> str | None:
    """The URL name of an address of the admin; None for what is not a page there.

    All of Django's own go by the name of their kind.
    """
    try:
        match = resolve(urlsplit(path).path)
    except Resolver404:
        return None
    if match.namespace != "admin" or match.url_name is None:
        return None
    name = match.url_name
    return next((kind for kind in STOCK if name.endswith(kind)), name)


def crawl(tab: Tab, *, each: int = 2, also: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """Visit up to `each` addresses of every URL name; yields (path, status), open in `tab`.

    `also` are addresses that links lead to only from what is in some other state.
    """
    waiting, last, visited = deque(["/admin/"]), deque(also), Counter[str]()
    seen = {"/admin/", *also}
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
            if address.netloc or not address.path.startswith("/admin/"):
                continue
            if "format=" in address.query:
                continue  # a file to keep
            where = address.path + (f"?{address.query}" if address.query else "")
            if where not in seen:
                seen.add(where)
                waiting.append(where)
