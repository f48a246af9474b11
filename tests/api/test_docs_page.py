"""/v1/docs and /: our own pages, with nothing from elsewhere and no inline code."""

from html.parser import HTMLParser

import pytest

from keys.codes import Code
from portal.core.problem_codes import PROBLEMS
from portal.front import marked
from portal.openapi import document
from tests.api.answers import Api


class Page(HTMLParser):
    """Tags, attributes, ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"href", "src", "action"}:
                self.links.append(value or "")


@pytest.fixture(params=["/", "/v1/docs", "/no-such-page"])
def page(api: Api, request: pytest.FixtureRequest) -> Page:
    return Page(api("GET", request.param).content.decode())


@pytest.fixture
def docs(api: Api) -> str:
    return api("GET", "/v1/docs").content.decode()


def test_nothing_stands_inline(page: Page) -> None:
    assert page.tags.count("script") == 1
    assert ("src", "/static/countersign.js") in page.attributes
    assert "style" not in page.tags
    assert not [name for name, _ in page.attributes if name == "style" or name.startswith("on")]


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in page.links)


def test_ids_are_unique(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))


def test_every_link_within_a_page_leads_somewhere(api: Api) -> None:
    page = Page(api("GET", "/v1/docs").content.decode())

    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_it_tells_every_operation_shape_and_code(docs: str) -> None:
    for path, methods in document()["paths"].items():
        assert path in docs
        for told in methods.values():
            assert f'id="{told["operationId"]}"' in docs
    for shape in document()["components"]["schemas"]:
        assert f'id="shape-{shape}"' in docs
    for code in Code:
        assert f'id="code-{code.name}"' in docs


def test_every_problems_type_leads_to_its_line(docs: str) -> None:
    for code in PROBLEMS:
        assert f'id="{code}"' in docs


def test_the_start_says_what_this_is_and_leads_to_the_docs(api: Api) -> None:
    answer = api("GET", "/")

    assert answer.status == 200
    assert 'href="/v1/docs"' in answer.content.decode()


@pytest.mark.parametrize("path", ["/", "/v1/docs", "/v1/openapi.json", "/healthz", "/readyz"])
def test_public_pages_are_only_read(api: Api, path: str) -> None:
    assert api("HEAD", path).status == 200
    answer = api("POST", path, {})
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("asset", ["countersign.css", "logo.svg"])
def test_assets_are_served(asset: str) -> None:
    from django.contrib.staticfiles import finders

    assert finders.find(asset)


def test_what_the_schema_says_is_escaped() -> None:
    assert marked("a <b> `c<d>`") == "a &lt;b&gt; <code>c&lt;d&gt;</code>"
