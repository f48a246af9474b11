"""Walks the admin as a person clicks: every kind of page, reached from the overview by links."""

from collections import Counter, deque
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from django.urls import Resolver404, resolve

from portal.admin_site import PAGES
from tests.browser.watch import Tab

NOT_BY_LINK = {
    "login": "who is signed in is not sent there",
    "logout": "a button",
}
"""Pages that no link leads to, each with its reason."""

STOCK = "records"
"""Django's own pages are many of one kind: some of them are enough."""


def names() -> set[str]:
    """Every page of ours, by its URL name."""
    return {str(page.name) for page in PAGES}


def name_of(path: str) -> str | None:
    """The URL name of an address of the admin; None for what is not a page there."""
    try:
        match = resolve(urlsplit(path).path)
    except Resolver404:
        return None
    return match.url_name if match.namespace == "admin" else None


def crawl(tab: Tab, *, each: int = 2, start: str = "/admin/") -> Iterator[tuple[str, int]]:
    """Visit up to `each` addresses of every URL name; yields (path, status), open in `tab`."""
    waiting, seen, visited = deque([start]), {start}, Counter[str]()
    while waiting:
        path = waiting.popleft()
        name = name_of(path)
        if name is None or visited[name] >= each:
            continue
        visited[name] += 1
        answer = tab.page.goto(f"{tab.base}{path}")
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
