"""A tab that notices what must never happen: script errors, CSP violations, foreign requests."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
LONGEST = 1600  # px of a picture
SERIOUS = ("serious", "critical")
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
COLOURS: dict[str, Any] = {"runOnly": ["color-contrast"]}
BUT_COLOURS: dict[str, Any] = {"rules": {"color-contrast": {"enabled": False}}}
"""The rule that depends on light and dark, and those that depend on the width."""


@dataclass
class Tab:
    """A page, where it is served from, and what it complained about."""

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        self.page.on("request", self._request)
        self.page.on("dialog", self._dialog)

    def _console(self, message: ConsoleMessage) -> None:
        # A page that answers 4xx on purpose is told of as a resource that failed.
        path = urlsplit(message.location.get("url", "")).path
        expected = "Failed to load resource" in message.text and not path.startswith("/static/")
        if message.type in ("error", "warning") and not expected:
            self.faults.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.base}/", "data:", "about:")):
            self.faults.append(f"request to {request.url}")

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, path: str) -> Page:
        """Go there."""
        self.page.goto(f"{self.base}{path}")
        return self.page

    def overflow(self) -> list[str]:
        """What is wider than the window: it would have to be scrolled sideways."""
        told: list[str] = self.page.evaluate(
            """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth
                ? [] : [...document.querySelectorAll('body *')]
                    .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
                    .slice(0, 5).map(e => e.outerHTML.slice(0, 160))"""
        )
        return told

    def findings(self) -> list[str]:
        """What is wrong with the page, unfolded: wide, in the dark, and on a phone."""
        self.page.eval_on_selector_all("details", "all => all.forEach(each => each.open = true)")
        wide = self.axe() + self.overflow()
        self.page.emulate_media(color_scheme="dark")
        dark = self.axe(COLOURS)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        narrow = self.axe(BUT_COLOURS) + self.overflow()
        self.page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        return wide + [f"dark: {each}" for each in dark] + [f"phone: {each}" for each in narrow]

    def axe(self, options: dict[str, Any] | None = None) -> list[str]:
        """axe-core's serious findings, in a line each."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE)
        found: dict[str, Any] = self.page.evaluate(
            "options => axe.run({resultTypes: ['violations'], ...options})", options or {}
        )
        return [
            f"{violation['id']}: {node['html'][:160]}: {node['failureSummary'][:200]}"
            for violation in found["violations"]
            if violation["impact"] in SERIOUS
            for node in violation["nodes"][:3]
        ]

    def shot(self, path: Path) -> None:
        """A picture of the page, of a long one its beginning."""
        size = self.page.evaluate(
            "() => [document.documentElement.clientWidth, document.documentElement.scrollHeight]"
        )
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], LONGEST)}
        self.page.screenshot(path=path, full_page=True, clip=clip)  # type: ignore[arg-type]


def tab(context: BrowserContext, base: str) -> Tab:
    """A new tab."""
    return Tab(context.new_page(), base)
