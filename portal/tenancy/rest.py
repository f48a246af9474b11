"""The base of every view of the management API: who asks, where, may it, in the contract's order.

405, then 401 the credential, 429, 404 tenant and object, 403 role or scope, 428 and 412 If-Match,
415, 413, 400 and 422 the body. Each step tells nothing of what a later one would have said.
"""

from typing import Any, ClassVar, Final, cast

from rest_framework.exceptions import MethodNotAllowed, Throttled
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.ledger.target import Target
from portal.core import configuration, strictjson
from portal.core.refusals import Refusal
from portal.core.throttle import seconds_to_wait
from portal.tenancy import idempotency, preconditions
from portal.tenancy.actors import Actor
from portal.tenancy.attempts import note_forbidden
from portal.tenancy.authentication import ManagementTokens, Token
from portal.tenancy.listing import parameters
from portal.tenancy.scope import tenant_scope

JSON_PARSERS: list[type[BaseParser]] = [strictjson.StrictJSONParser]
PATCH_PARSERS: list[type[BaseParser]] = [
    strictjson.StrictJSONParser,
    strictjson.MergePatchParser,
]
"""A PATCH is a merge patch under either name."""

LONGEST_ID: Final = 64
"""Characters. Ours have 16; a longer one is not looked for."""


class OnlyJSON(BaseContentNegotiation):
    """There is one representation: `Accept` and `?format=` choose nothing."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        sent = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == sent), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


class TenantView(APIView):
    """One address under `/v1/tenants/<tenant>/`."""

    authentication_classes = [ManagementTokens]
    parser_classes = JSON_PARSERS
    renderer_classes = [JSONRenderer]
    content_negotiation_class = OnlyJSON
    http_method_names = ["get", "head", "post", "patch"]

    actions: ClassVar[dict[str, str]] = {}
    """Method to what it needs of scopes and role, such as `{"GET": "keys:read"}`."""
    parameters: ClassVar[frozenset[str]] = frozenset()
    """The query parameters that GET takes."""
    listed: ClassVar[str] = ""
    """What stands in the path after the tenant, for the record of refused attempts."""

    actor: Actor
    token: Token

    @property
    def allowed_methods(self) -> list[str]:
        """For the header `Allow`."""
        return [*self.actions, *(["HEAD"] if "GET" in self.actions else [])]

    @property
    def tenant_id(self) -> str:
        """The tenant of the path, which is the token's."""
        return self.token.tenant_id

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        """DRF takes a body without a length for none; a chunked one has none to state."""
        if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
            request.META["CONTENT_LENGTH"] = "1"  # anything but 0: the parser counts for itself
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Everything that is judged before If-Match and the body."""
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(
            request
        )
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method not in self.actions:
            raise MethodNotAllowed(method)
        self.actor, self.token = cast(Actor, request.user), cast(Token, request.auth)
        if wait := seconds_to_wait(f"api:{self.token.id}", configuration.API_RATE()):
            raise Throttled(wait)
        if kwargs["tenant"] != self.token.tenant_slug:
            raise Refusal("NOT_FOUND")
        if object_id := kwargs.get("id"):
            self.look_up(object_id)
        self._allow(self.actions[method])

    def look_up(self, object_id: str) -> None:
        """Find the object, or refuse. An id that no column could hold is as unknown as any."""
        if len(object_id) > LONGEST_ID or not object_id.isascii() or not object_id.isprintable():
            raise Refusal("NOT_FOUND")
        with tenant_scope(self.tenant_id):
            self.find(object_id)

    def find(self, object_id: str) -> None:
        """Keep what the view needs of the object; raises Refusal NOT_FOUND. Views override it."""

    def target(self) -> Target:
        """What a refused attempt was aimed at."""
        object_id = self.kwargs.get("id")
        if object_id:
            return Target(self.listed.rstrip("s"), object_id)
        return Target("tenant", self.tenant_id, self.token.tenant_slug)

    def _allow(self, action: str) -> None:
        if not self.actor.may(action):
            note_forbidden(self.actor, self.tenant_id, action, self.target())
            raise Refusal("FORBIDDEN")

    def asked(self) -> dict[str, str]:
        """The query parameters; refuses what this view does not take."""
        return parameters(self.request.query_params, self.parameters)

    def body(self) -> dict[str, Any]:
        """The request's JSON object; refuses any query parameter beside it."""
        found = cast(dict[str, Any], self.request.data)
        parameters(self.request.query_params, ())
        return found

    def claim(self, route: str, body: dict[str, Any]) -> idempotency.Claim | None:
        """The request's Idempotency-Key, if it has one."""
        return idempotency.claim(
            self.request.headers.get("Idempotency-Key"),
            credential=self.token.id,
            tenant_id=self.tenant_id,
            route=route,
            object_id=self.kwargs.get("id"),
            body=body,
        )

    def expected(self, current: int) -> int:
        """The version that `If-Match` names, which is `current`; else 428, 400 or 412."""
        return preconditions.expected_version(self.request.headers.get("If-Match"), current)


def replayed(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """The answer to a repeated request: what stands now, and that nothing was done."""
    return Response(body, headers={**(headers or {}), "Idempotency-Replayed": "true"})
