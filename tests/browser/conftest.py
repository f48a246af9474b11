"""Real Chromium on the real portal; what a tab complains about fails its test."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from portal.tenancy.models import Person
from tests.browser.databases import own_database
from tests.browser.server import Portal
from tests.browser.watch import PHONE, WIDE, Tab, tab
from tests.pages.browser import session_of, staff
from tests.plugin import ROOT

# Playwright's loop runs in the tests' thread; Django would take every query of ours for one of a
# coroutine's.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium. No longer than a module: no other loop can run beside Playwright's."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "install chromium (make test does)"
    running: Playwright
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def portal() -> Iterator[Portal]:
    """One portal for this worker's tests."""
    running = Portal()
    yield running
    running.stop()


Open = Callable[..., Tab]


@pytest.fixture
def browse(chromium: Browser, portal: Portal) -> Iterator[Open]:
    """`browse(person, phone=…, dark=…, scripts=…)`: a watched tab, signed in as `person`."""
    opened: list[tuple[Any, Tab]] = []

    def open_(
        person: Person | None = None, *, phone: bool = False, dark: bool = False,
        scripts: bool = True, base: str = "", session: str = "",
    ) -> Tab:  # fmt: skip
        context = chromium.new_context(
            viewport=PHONE if phone else WIDE,  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            # A colour that is still on its way to another has no contrast to measure.
            reduced_motion="reduce",
            java_script_enabled=scripts, locale="en-GB", timezone_id="Europe/Berlin",
            permissions=["clipboard-read", "clipboard-write"],
        )  # fmt: skip
        where = base or portal.base
        if person is not None or session:
            value = session or session_of(person)  # type: ignore[arg-type]
            cookie = {"name": "countersign", "value": value, "url": where}
            context.add_cookies([cookie])  # type: ignore[list-item]
        made = tab(context, where)
        opened.append((context, made))
        return made

    yield open_
    faults = [fault for _, each in opened for fault in each.faults]
    for context, _ in opened:
        context.close()
    assert faults == []


@pytest.fixture
def admin(browse: Open) -> Tab:
    """Sol's tab."""
    return browse(staff("Sol Okafor", "security_admin"))


@dataclass
class Story:
    """A portal on a database of its own that has been used for a month."""

    portal: Portal
    told: dict[str, Any]


def told_by(name: str) -> Iterator[Story]:
    """A portal on a database of its own, filled by tests.browser.<name>."""
    with own_database(name) as environment:
        told = subprocess.run(
            [sys.executable, "-m", f"tests.browser.{name}"],
            cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        running = Portal(**environment)
        yield Story(running, json.loads(told.stdout.splitlines()[-1]))
        running.stop()


@pytest.fixture(scope="session")
def story() -> Iterator[Story]:
    """The story's portal, with what tests need of its rows."""
    yield from told_by("story")


@pytest.fixture(scope="session")
def attacked() -> Iterator[Story]:
    """A portal whose every text an attacker wrote."""
    yield from told_by("attack")


@pytest.fixture
def first() -> Iterator[tuple[Portal, str]]:
    """A portal on which nobody has done anything, and the link that its operator was given."""
    with own_database("first") as environment:
        portal = Portal(**environment)
        made = subprocess.run(
            [sys.executable, "manage.py", "setup_link"], cwd=ROOT, check=True, text=True,
            capture_output=True, env={**os.environ, **environment, "BASE_URL": portal.base},
        )  # fmt: skip
        yield portal, next(line for line in made.stdout.splitlines() if line.startswith("http"))
        portal.stop()
