"""The shipped nginx file, filled in for one gateway."""

from functools import cache
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

PLACE: Final = "server 127.0.0.1:8000;"
UNSET: Final = 'proxy_set_header {name} "";'


@cache
def _shipped() -> str:
    """`deploy/gateways/nginx.conf`; empty where only the program was installed."""
    file = settings.BASE_DIR / "deploy" / "gateways" / "nginx.conf"
    return file.read_text() if file.is_file() else ""


def recipe(base_url: str, declared: list[str]) -> str:
    """The file with Countersign's address, and a place for each header that is declared.

    An address with TLS stays a place to fill in: nginx asks the check processes directly.
    """
    text, parts = _shipped(), urlsplit(base_url)
    if parts.scheme == "http":
        text = text.replace(PLACE, f"server {parts.hostname}:{parts.port or 80};")
    for name in declared:
        variable = name.lower().replace("-", "_")
        set_ = f"proxy_set_header {name} ${variable};  # PLACE: from what no client controls"
        text = text.replace(UNSET.format(name=name), set_)
    return text


def secrets_of(credential: str) -> str:
    """The file that the recipe includes."""
    return (
        f'map "" $countersign_gateway {{ default "{credential}"; }}\n'
        'map "" $upstream_authorization { default "Bearer sk-..."; }'
    )
