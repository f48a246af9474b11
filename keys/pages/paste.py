"""Requests that are ready to paste, filled in for one key; its secret is never among them."""

import ipaddress
import json
from typing import Any, Final, NamedTuple

from keys.models import ApiKey

CURL: Final = """\
curl {base}/v1/keys/check \\
  -H "Authorization: Bearer $GATEWAY" -H "Content-Type: application/json" \\
  -d '{{"key": "'$KEY'"{facts}}}'"""
PYTHON: Final = """\
import json, os, urllib.request

def check(key, **facts):
    request = urllib.request.Request(
        {url},
        json.dumps({{"key": key, **facts}}).encode(),
        {{"Authorization": "Bearer " + os.environ["GATEWAY"],
         "Content-Type": "application/json"}})
    with urllib.request.urlopen(request, timeout=1) as answer:
        return json.load(answer)

verdict = check(os.environ["KEY"]{facts})
if not verdict["allowed"]:
    raise PermissionError(verdict["code"])"""
NGINX: Final = """\
location / {{
    auth_request /_countersign;
    auth_request_set $countersign_code $upstream_http_x_countersign_code;
    auth_request_set $countersign_key $upstream_http_x_countersign_key;
    proxy_set_header X-Countersign-Key $countersign_key;
    proxy_set_header Authorization $upstream_authorization;
    proxy_pass http://$countersign_backend;
}}

location = /_countersign {{
    internal;
    proxy_pass {base}/v1/authorize/nginx;
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
    proxy_set_header X-Countersign-Gateway $countersign_gateway;
    proxy_set_header X-Original-Method $request_method;
    proxy_set_header X-Original-URI $request_uri;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Countersign-Subject "";
    proxy_set_header X-Countersign-Purpose "";
}}"""
"""What it is about, of deploy/gateways/nginx.conf; a test compares the lines."""


class Snippets(NamedTuple):
    """What the page offers to copy."""

    curl: str
    python: str
    nginx: str


def snippets(key: ApiKey, base: str) -> Snippets:
    """The requests, with what the key needs to be stated so that it may be allowed."""
    stated: dict[str, Any] = {"scopes": key.scopes} if key.scopes else {}
    facts = {}
    if key.allowed_cidrs:
        facts["ip"] = str(next(iter(ipaddress.ip_network(key.allowed_cidrs[0]).hosts())))
    if key.allowed_models:
        facts["model"] = key.allowed_models[0]
    if facts:
        stated["request"] = facts
    as_json = "".join(f", {json.dumps(name)}: {in_quotes(value)}" for name, value in stated.items())
    as_python = "".join(f",\n    {name}={json.dumps(value)}" for name, value in stated.items())
    return Snippets(
        CURL.format(base=base, facts=as_json),
        PYTHON.format(url=json.dumps(f"{base}/v1/keys/check"), facts=as_python),
        NGINX.format(base=base),
    )


def in_quotes(value: Any) -> str:
    """JSON between a shell's single quotes."""
    return json.dumps(value, ensure_ascii=False).replace("'", "'\\''")
