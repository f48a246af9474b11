"""Where passkeys work: at the name of BASE_URL, and nowhere where browsers make none."""

import pytest

from portal.core.relying_party import RelyingParty, relying_party


@pytest.mark.parametrize(
    ("base_url", "id", "origin"),
    [
        ("https://portal.example", "portal.example", "https://portal.example"),
        ("https://Portal.Example:443/", "portal.example", "https://portal.example"),
        ("https://portal.example:8443/", "portal.example", "https://portal.example:8443"),
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
        ("http://localhost:80", "localhost", "http://localhost"),
        # Browsers make none for an address; on the machine itself it has a name as well.
        ("http://127.0.0.1:8000", "localhost", "http://localhost:8000"),
        ("https://[::1]:8443", "localhost", "https://localhost:8443"),
    ],
)
def test_they_are_the_names(
    monkeypatch: pytest.MonkeyPatch, base_url: str, id: str, origin: str
) -> None:
    monkeypatch.setenv("BASE_URL", base_url)
    party = relying_party()
    assert party == RelyingParty(id, origin)
    assert party.host == origin.partition("://")[2]


@pytest.mark.parametrize(
    "base_url",
    [
        "http://portal.example",
        "https://203.0.113.7",
        "http://10.0.0.7:8000",
        "https://",
        "ftp://a.b",
    ],
)
def test_there_are_none_where_browsers_make_none(
    monkeypatch: pytest.MonkeyPatch, base_url: str
) -> None:
    monkeypatch.setenv("BASE_URL", base_url)
    assert relying_party() is None
