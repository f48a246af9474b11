"""The shipped file itself."""

import os
import subprocess
from collections.abc import Callable

import pytest

from keys.codes import MEANING, Code
from tests.gateways.conftest import Edge
from tests.gateways.nginx import BINARY, RECIPE, SECRETS, Nginx
from tests.plugin import ROOT


def test_every_refusal_has_the_words_of_the_code(edge: Edge) -> None:
    text = " ".join(RECIPE.read_text().split())
    for code in set(Code) - {Code.OK, Code.STORE_UNAVAILABLE}:
        assert f'{code.name} "{MEANING[code]}";' in text
    assert MEANING[Code.STORE_UNAVAILABLE] in text


def test_no_place_is_left_that_the_readme_does_not_name() -> None:
    assert RECIPE.read_text().count("# PLACE") == 5
    readme = (ROOT / "deploy" / "gateways" / "README.md").read_text()
    assert SECRETS.format(gateway="csg_live_...", upstream="Bearer sk-...") in readme


def test_nginx_has_nothing_to_warn_of(edge: Edge) -> None:
    assert "[warn]" not in edge.nginx.error_log()
    assert "[emerg]" not in edge.nginx.error_log()


def test_without_the_secrets_nginx_does_not_start(edge: Edge) -> None:
    secrets = edge.nginx.prefix / "secrets.conf"
    kept = secrets.read_text()
    for left in (None, "", kept.splitlines()[1]):
        secrets.unlink(missing_ok=True)
        if left is not None:
            secrets.write_text(left)
        tried = subprocess.run(
            [BINARY, "-t", "-p", str(edge.nginx.prefix), "-e", "stderr",
             "-c", str(edge.nginx.prefix / "nginx.conf")],
            capture_output=True, check=False,
        )  # fmt: skip
        assert tried.returncode != 0
    secrets.write_text(kept)


def test_an_upstream_without_a_key_of_its_own_gets_none(
    edge: Edge, another_nginx: Callable[..., Nginx], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "nginx", another_nginx(key=""))
    assert edge.models(edge.key()).status == 200
    assert edge.passed().values("Authorization") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_it_runs_as_an_ordinary_user(
    edge: Edge, another_nginx: Callable[..., Nginx], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "nginx", another_nginx(user="nobody"))
    assert edge.models(edge.key()).status == 200
    assert "[alert]" not in edge.nginx.error_log()
