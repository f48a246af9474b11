"""The gateway set-up guide: files that are filled in, that run, and that hold no credential."""

import ast
import html
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from keys.codes import Code
from portal.tenancy.apis import create_api, grant_api
from portal.tenancy.definitions import RouteDefinition
from portal.tenancy.gateways import create_gateway, disable_gateway
from tests.cast import OPERATOR, SCOPES, Cast
from tests.pages.browser import Browser
from tests.processes import CheckServer

NAMES = ("secrets.sh", "countersign.conf", "check.sh", "check.py")
SHOWN = re.compile(r'<pre tabindex="0">(.*?)</pre>', re.DOTALL)
SECRET = re.compile(r"cs[kgm]_(?:live|test)_[0-9A-Za-z]{12}_")


def at(cast: Cast, rest: str = "") -> str:
    return f"/t/{cast.tenant.slug}/gateway/{rest}"


def file(browser: Browser, cast: Cast, name: str) -> str:
    page = browser.get(at(cast, f"{cast.gateway.id}/{name}"))
    assert page.status == 200, name
    assert page.headers["content-disposition"] == f'attachment; filename="{name}"'
    return page.html


def test_everyone_in_the_tenant_finds_the_files_filled_in(
    ada: Browser, ben: Browser, vera: Browser, acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASE_URL", "http://portal.test:9999")
    for browser in (ada, ben, vera):
        page = browser.get(at(acme))
        assert page.status == 200
        for words in (
            "edge", acme.gateway.id, "http://portal.test:9999/v1/keys/check",
            "server portal.test:9999;", "PLACE: Chat, the API that is protected", "/v1/models",
            "KEY_SUSPENDED",
        ):  # fmt: skip
            assert words in page.text, words
        assert not SECRET.search(page.html)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_is_what_is_downloaded(ada: Browser, acme: Cast, name: str) -> None:
    shown = SHOWN.findall(ada.get(at(acme)).html)
    assert file(ada, acme, name).strip() in [html.unescape(text).strip() for text in shown]


def test_each_code_is_told_but_those_of_consent(ada: Browser, acme: Cast) -> None:
    text = ada.get(at(acme)).text.partition("What each answer means")[2]
    for code in Code:
        consent = code.name.startswith("CONSENT") or code.name in (
            "SUBJECT_ERASED", "PROCESSING_RESTRICTED", "OPTED_OUT", "PURPOSE_NOT_ALLOWED",
        )  # fmt: skip
        assert (code.name in text) is not consent, code


def test_one_of_several_gateways_is_chosen(ada: Browser, acme: Cast) -> None:
    other = create_gateway(
        actor=OPERATOR, name="another", api_id=acme.api.id, tenant_ids=[acme.tenant.id],
        environments=["test"], declared_headers=["X-Countersign-Subject"],
    ).gateway  # fmt: skip
    page = ada.get(at(acme), gateway=other.id)
    assert "another, for Chat" in page.text and other.id in page.text
    assert "X-Countersign-Subject" in page.text
    assert acme.gateway.id in ada.get(at(acme), gateway=acme.gateway.id).text


def test_a_gateway_that_is_not_the_tenants_is_none(ada: Browser, acme: Cast, globex: Cast) -> None:
    for id in (globex.gateway.id, "gw_000000000000", "x"):
        assert ada.get(at(acme), gateway=id).status == 404
        assert ada.get(at(acme, f"{globex.gateway.id}/check.sh")).status == 404
    assert ada.get(at(acme, f"{acme.gateway.id}/passwd")).status == 404
    disable_gateway(actor=OPERATOR, gateway_id=acme.gateway.id, reason="stolen")
    assert ada.get(at(acme), gateway=acme.gateway.id).status == 404
    page = ada.get(at(acme))
    assert page.status == 200 and "No gateway asks about" in page.text
    assert f"--tenant {acme.tenant.slug}" in page.text


def test_it_names_no_other_tenant_of_the_gateway(ada: Browser, acme: Cast, globex: Cast) -> None:
    grant_api(actor=OPERATOR, tenant_id=globex.tenant.id, api_id=acme.api.id)
    shared = create_gateway(
        actor=OPERATOR, name="shared", api_id=acme.api.id, environments=["live"],
        tenant_ids=[acme.tenant.id, globex.tenant.id],
    ).gateway  # fmt: skip
    page = ada.get(at(acme), gateway=shared.id)
    assert page.status == 200
    for words in (globex.tenant.slug, globex.tenant.id, globex.tenant.name):
        assert words not in page.html


@pytest.fixture
def run(checker: CheckServer, acme: Cast, tmp_path: Path) -> Any:
    """`run(name, text)` runs a file as it was downloaded, with credentials in the environment."""
    issued = acme.issue(scopes=["models:read"])
    environment = {
        **os.environ, "GATEWAY": acme.gateway_token, "KEY": issued.secret.reveal(),
    }  # fmt: skip

    def started(name: str, text: str, *command: str) -> str:
        (tmp_path / name).write_text(text)
        told = subprocess.run(
            [*command, str(tmp_path / name)], env=environment, capture_output=True, text=True,
            timeout=30,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        return told.stdout

    return started


def test_the_files_run_as_they_are(
    ada: Browser, acme: Cast, checker: CheckServer, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASE_URL", f"http://127.0.0.1:{checker.port}")
    assert '"allowed":true' in run("check.sh", file(ada, acme, "check.sh"), "sh").replace(" ", "")
    python = file(ada, acme, "check.py")
    ast.parse(python)
    assert run("check.py", python, shutil.which("python3") or "python3") == ""


def test_a_route_with_quotes_ends_no_quoting(ada: Browser, acme: Cast, tmp_path: Path) -> None:
    api = create_api(
        actor=OPERATOR, slug=f"{acme.api.slug}-q", name="Quoted", scopes=SCOPES,
        routes=[RouteDefinition("GET", "/x/'-$(touch$IFS./pwned)-'&", ["models:read"])],
    )  # fmt: skip
    grant_api(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=api.id)
    gateway = create_gateway(
        actor=OPERATOR, name="quoted", api_id=api.id, tenant_ids=[acme.tenant.id],
        environments=["live"],
    ).gateway  # fmt: skip
    page = ada.get(at(acme), gateway=gateway.id)
    shown = [html.unescape(text) for text in SHOWN.findall(page.html)]
    commands = "\n".join(line for line in shown[-1].splitlines() if line.startswith("curl"))
    (tmp_path / "curl").write_text("#!/bin/sh\n")
    (tmp_path / "curl").chmod(0o755)
    check = next(text for text in shown if "check" in text and "-d '" in text)
    for text in (commands, check):
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GATEWAY": "g", "KEY": "k"}
        subprocess.run(["sh", "-euc", text], env=environment, cwd=tmp_path, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curl"]
    ast.parse(next(text for text in shown if "import json" in text))


def test_the_secrets_come_from_variables_and_stay_private(
    ada: Browser, acme: Cast, tmp_path: Path
) -> None:
    text = file(ada, acme, "secrets.sh").replace("/etc/nginx", shlex.quote(str(tmp_path)))
    script = tmp_path / "secrets.sh"
    script.write_text(text)
    environment = {"PATH": os.environ["PATH"], "GATEWAY": "csg_x", "UPSTREAM_KEY": "sk-y"}
    subprocess.run(["sh", str(script)], env=environment, check=True)
    made = tmp_path / "countersign" / "secrets.conf"
    assert made.read_text().splitlines() == [
        'map "" $countersign_gateway { default "csg_x"; }',
        'map "" $upstream_authorization { default "Bearer sk-y"; }',
    ]
    assert made.stat().st_mode & 0o077 == 0


def test_the_pages_ask_little_of_the_database(ada: Browser, acme: Cast, queries: Any) -> None:
    for path in (at(acme), at(acme, f"{acme.gateway.id}/check.sh")):
        with queries() as told:
            assert ada.get(path).status == 200
        assert len(told) <= 15, path
