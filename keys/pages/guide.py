"""How to put a gateway in front of an API: files that are filled in, and what each answer means.

Every file takes credentials from variables: the gateway's own was shown once, to who created it.
"""

import json
import shlex
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from django.http import HttpRequest, HttpResponse

from keys.codes import KIND, MEANING, Code
from keys.pages.paste import CURL, PYTHON, in_quotes
from portal.core import configuration, tokens
from portal.core.refusals import Refusal
from portal.tenancy.models import Gateway, Route, Tenant
from portal.tenancy.pages.list_page import CHOOSABLE
from portal.tenancy.pages.management_tokens import tenant_of
from portal.tenancy.pages.nginx import recipe
from portal.tenancy.pages.page import Page
from portal.tenancy.permission import found

UPSTREAM: Final = "# PLACE: the API that is protected"
LOCAL: Final = "http://127.0.0.1:8080"
"""Where the shipped file listens."""
SECRETS: Final = """\
#!/bin/sh
# Writes the file that countersign.conf includes. As root, with both variables set:
#   read -rs GATEWAY && read -rs UPSTREAM_KEY && export GATEWAY UPSTREAM_KEY
umask 077
mkdir -p /etc/nginx/countersign
cat > /etc/nginx/countersign/secrets.conf <<END
map "" \\$countersign_gateway { default "$GATEWAY"; }
map "" \\$upstream_authorization { default "Bearer $UPSTREAM_KEY"; }
END
"""


class File(NamedTuple):
    """One file of the guide."""

    name: str
    words: str
    text: str
    long: bool = False


class Answer(NamedTuple):
    """A line of the table of answers."""

    status: int
    code: str
    meaning: str


class Example(NamedTuple):
    """A request that the Api has a route for."""

    method: str
    path: str


def bound_to(tenant: Tenant) -> Any:
    """The gateways that may ask about the tenant's keys. Inside its scope."""
    rows = Gateway.objects.filter(bindings__tenant=tenant, disabled_at=None)
    return rows.select_related("api").order_by("name", "id")


def example_of(gateway: Gateway) -> Example:
    """Something to ask, what only reads before what writes. Inside the scope."""
    routes = Route.objects.filter(api=gateway.api_id).exclude(pattern__contains="*")
    told = routes.values_list("method", "pattern")
    found = [Example("GET" if method == "*" else method, pattern) for method, pattern in told]
    return min(found, key=lambda each: (each.method != "GET", each), default=Example("GET", "/"))


def files_of(gateway: Gateway, example: Example) -> list[File]:
    """The files, filled in for this gateway."""
    base = configuration.BASE_URL().rstrip("/")
    about = f"For the gateway {gateway.name} ({gateway.id}), which asks about keys for"
    about += f" {gateway.api.name}."
    stated = {"method": example.method, "path": example.path, "ip": "203.0.113.9"}
    curl = CURL.format(base=base, facts=f', "request": {in_quotes(stated)}')
    facts = f",\n    request={json.dumps(stated)}"
    python = PYTHON.format(url=json.dumps(f"{base}/v1/keys/check"), facts=facts)
    nginx = recipe(base, gateway.declared_headers)
    nginx = nginx.replace(UPSTREAM, f"# PLACE: {gateway.api.name}, the API that is protected")
    known = [
        File("secrets.sh", "nginx: its two secrets, from variables", SECRETS),
        File("countersign.conf", "nginx: the whole file", f"# {about}\n{nginx}", long=True),
        File("check.sh", "curl", f"#!/bin/sh\n# {about}\n{curl}\n"),
        File("check.py", "Python, nothing beside its own library", f"# {about}\n{python}\n"),
    ]
    # Where only the program was installed, there is no file of nginx' to fill in.
    return [file for file in known if nginx or not file.words.startswith("nginx")]


def answers() -> list[Answer]:
    """What a check answers. Consent is not served yet: of its codes only the first is told."""
    told = [code for code in Code if KIND[code] != "consent" or code is Code.PURPOSE_UNKNOWN]
    order = sorted(told, key=lambda code: (code is not Code.OK, code))
    return [Answer(code.status, code.name, MEANING[code]) for code in order]


class Guide(Page):
    """`/t/<slug>/gateway/?gateway=…`."""

    needs = "gateways:read"
    section = "guide"
    template = "keys/guide.html"

    def context(self) -> dict[str, Any]:
        tenant = tenant_of(self.kwargs["slug"])
        gateways = list(bound_to(tenant)[: CHOOSABLE + 1])
        asked = self.request.GET.get("gateway", "")
        chosen = found(bound_to(tenant), asked) if asked else gateways[0] if gateways else None
        told = {"tenant": tenant, "gateways": gateways, "few": len(gateways) <= CHOOSABLE}
        if chosen is None:
            return {**told, "gateway": None}
        example = example_of(chosen)
        return {
            **told, "gateway": chosen, "files": files_of(chosen, example), "example": example,
            "local": shlex.quote(f"{LOCAL}{example.path}"),
            "shown": f"{tokens.GATEWAY}_live_{chosen.kid[:4]}…", "answers": answers(),
        }  # fmt: skip


class GuideFile(Page):
    """`/t/<slug>/gateway/<id>/<file>`: one of the files, to keep."""

    needs = "gateways:read"
    section = "guide"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        read: Callable[[], list[File]] = self.files
        file = next((f for f in self.seen(read) if f.name == kwargs["file"]), None)
        if file is None:
            raise Refusal("NOT_FOUND")
        response = HttpResponse(file.text, content_type="text/plain; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{file.name}"'
        return response

    def files(self) -> list[File]:
        """All of the gateway's files. Inside the scope."""
        gateway = found(bound_to(tenant_of(self.kwargs["slug"])), self.kwargs["id"])
        return files_of(gateway, example_of(gateway))
