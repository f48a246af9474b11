"""A certified provider, as it is: its own pages, its own tokens, its own ideas."""

import html
import re
from pathlib import Path

import pytest
import requests

from portal.tenancy.sso.configuring import Definition, create_provider, turn_provider_on
from portal.tenancy.sso.domains import claim_domain, record_name, record_text, verify_domain
from portal.tenancy.sso.provider import of_row
from tests.cast import Cast
from tests.pages.app import Visitor
from tests.sso.conftest import address_in
from tests.sso.nameserver import NameServer
from tests.sso.real import Real, certified

__all__ = ["certified"]
CLIENT, SECRET = "countersign", "a secret of the client's"


def approve(address: str, account: str) -> str:
    """Somebody signs in there, in a browser of their own: where they are sent back."""
    browser = requests.Session()
    page = browser.get(address, timeout=10)
    assert "The provider" in page.text, page.text
    answer = browser.post(page.url, {"account": account}, timeout=10, allow_redirects=False)
    for _ in range(5):
        where = html.unescape(answer.headers["location"])
        if "/sso/back/" in where:
            return re.sub(r"^https?://[^/]+", "", where)
        answer = browser.get(where, timeout=10, allow_redirects=False)
    raise AssertionError(answer.text)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("secret", [SECRET, None], ids=["confidential", "public"])
def test_people_sign_in_through_a_certified_provider(
    acme: Cast, certified: Path, nameserver: NameServer, visitor: Visitor, algorithm: str,
    secret: str | None,
) -> None:  # fmt: skip
    real = Real(certified)
    definition = Definition(
        name="Certified", issuer=real.issuer, client_id=CLIENT, secret=secret,
        role_claim="groups", role_map=(("keys", "developer"),), mfa_amr=("mfa",),
    )  # fmt: skip
    who = {"actor": acme.owner, "tenant_id": acme.tenant.id}
    row = create_provider(**who, definition=definition)  # type: ignore[arg-type]  # of two kinds
    provider = of_row(row, acme.tenant)
    domain = f"{acme.tenant.slug}.example"
    claimed = claim_domain(**who, provider_id=row.id, domain=domain)  # type: ignore[arg-type]
    nameserver.records[record_name(claimed)] = [record_text(claimed)]
    verify_domain(**who, domain_id=claimed.id)  # type: ignore[arg-type]
    client = {
        "client_id": CLIENT, "redirect_uris": [provider.redirect_uri],
        "id_token_signed_response_alg": algorithm,
        **({"client_secret": secret} if secret else {"token_endpoint_auth_method": "none"}),
    }  # fmt: skip
    with real.running(client, mfa=True):
        turn_provider_on(**who, provider=provider, reason="tried")  # type: ignore[arg-type]
        address = address_in(visitor.post(f"/sso/at/{acme.tenant.slug}/"))
        page = visitor.get(approve(address, f"grace@{domain}"))
    assert page.goes_to == f"/t/{acme.tenant.slug}/", page.text
    shown = visitor.get(page.goes_to)
    assert shown.status == 200 and "developer" in shown.text
