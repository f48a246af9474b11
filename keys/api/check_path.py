"""The check path in the schema, written by hand: it is served without DRF (CONTRACT.md)."""

from typing import Any, Final

from keys.api.components import AMOUNT
from keys.codes import MEANING, Code
from portal.core.problem_codes import CONTENT_TYPE, PROBLEMS
from portal.tenancy.schema import MOMENT, Schema, listed, maybe, ref, shape, text

CODES: Final = text(
    "\n".join(f"- `{code.name}`: {MEANING[code]}" for code in Code),
    enum=[code.name for code in Code],
)
A_KEY: Final = "csk_live_7Kq2mX9aB4cD_…"

FACTS: Final = shape(
    {
        "method": maybe(text("Of the client's request.", most=32)),
        "path": maybe(text("As sent, without the query; it chooses the route.", most=4096)),
        "ip": maybe(text("The client's address.", most=64)),
        "model": maybe(text("The model that is asked for.", most=128)),
    },
    "method", "path", "ip", "model",
)  # fmt: skip
QUESTION: Final = shape(
    {
        "key": text("The key's text, as the client sent it."),
        "scopes": listed(text(most=64), "Needed besides the route's own.", most=64),
        "request": maybe(FACTS),
        "usage": maybe(
            {
                "type": "object",
                "additionalProperties": AMOUNT,
                "maxProperties": 16,
                "default": {"requests": 1},
                "description": "What this request will use of each unit.",
            }
        ),
        "subject": maybe(text("The data subject, by your own reference.", most=256, minLength=1)),
        "purpose": maybe(
            text("What for; the route's default purpose unless given.", most=64, minLength=1)
        ),
        "gpc": {"type": "boolean", "description": "The request carried Global Privacy Control."},
        "environment": maybe(text("Refuse a key of the other one.", enum=["live", "test", None])),
        "dry_run": {
            "type": "boolean",
            "default": False,
            "description": "Tell everything that would fail, and spend nothing.",
        },
    },
    "scopes", "request", "usage", "subject", "purpose", "gpc", "environment", "dry_run",
)  # fmt: skip

ASKED_KEY: Final = shape(
    {
        "id": text(),
        "name": text(),
        "tenant": text(),
        "api": text(),
        "environment": text(enum=["live", "test"]),
        "owner": text(),
        "scopes": listed(text()),
        "expires_at": maybe(MOMENT),
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    }
)
LEFT: Final = shape(
    {
        "name": text(),
        "unit": text(),
        "window": text(),
        "limit": {"type": "integer"},
        "remaining": {"type": "integer"},
        "resets_in": {"type": "integer", "description": "Whole seconds, rounded up."},
    }
)
CONSENT: Final = shape(
    {
        "purpose": text(),
        "basis": maybe(text()),
        "state": maybe(text()),
        "notice_version": maybe({"type": "integer"}),
        "valid_until": maybe(MOMENT),
    }
)

DECISION: Final = shape(
    {
        "allowed": {"type": "boolean"},
        "code": CODES,
        "decision_id": maybe(text("Null for KEY_MISSING, KEY_MALFORMED and KEY_UNKNOWN.")),
        "key": {"allOf": [ref("AskedKey")], "nullable": True},
        "limits": listed(ref("LimitLeft")),
        "consent": {"allOf": [ref("ConsentVerdict")], "nullable": True},
        "obligations": {"type": "object", "description": "What the tenant's policy asks of you."},
        "retry_after": maybe(
            {"type": "integer", "description": "Whole seconds; null if it can never fit."}
        ),
        "failures": listed(
            shape({"code": text(), "detail": text()}), "Of a dry run: every part that would fail."
        ),
    },
    "failures",
)

COMPONENTS: Final[Schema] = {
    "Question": QUESTION,
    "AskedKey": ASKED_KEY,
    "LimitLeft": LEFT,
    "ConsentVerdict": CONSENT,
    "Decision": DECISION,
}

QUESTION_EXAMPLE: Final = {
    "key": A_KEY,
    "scopes": ["chat:write"],
    "request": {"method": "POST", "path": "/v1/chat/completions", "ip": "203.0.113.9"},
    "usage": {"requests": 1, "tokens": 1200},
}
DECISION_EXAMPLE: Final = {
    "allowed": True,
    "code": "OK",
    "decision_id": "019aafc2-7d1b-7000-8c3e-5b7d0e2f4a61",
    "key": {
        "id": "key_7Kq2mX9aB4cD",
        "name": "checkout",
        "tenant": "acme",
        "api": "chat",
        "environment": "live",
        "owner": "mem_0aB1cD2eF3gH",
        "scopes": ["chat:write"],
        "expires_at": None,
        "metadata": {},
    },
    "limits": [
        {
            "name": "minute",
            "unit": "requests",
            "window": "minute",
            "limit": 60,
            "remaining": 12,
            "resets_in": 37,
        }
    ],
    "consent": None,
    "obligations": {},
    "retry_after": None,
}

PROBLEM_CODES: Final = (
    "REQUEST_INVALID", "CREDENTIAL_INVALID", "METHOD_NOT_ALLOWED", "REQUEST_TIMEOUT",
    "BODY_TOO_LARGE", "MEDIA_TYPE", "TOO_MANY_REQUESTS", "HEADERS_TOO_LARGE", "STORE_UNAVAILABLE",
)  # fmt: skip


def _problem(code: str) -> Schema:
    return {
        "description": f"`{code}`: {PROBLEMS[code].title}",
        "content": {CONTENT_TYPE: {"schema": ref("Problem")}},
    }


def _problems(*codes: str) -> Schema:
    return {str(PROBLEMS[code].status): _problem(code) for code in codes}


CHECK: Final[Schema] = {
    "operationId": "keys_check",
    "summary": "May this key do this, for this person, now?",
    "description": (
        "One decision in one round trip: the key, its scopes, the caller's address and every limit."
        " 200 for every decision that was made, refusals too: read `allowed`. A refusal spends"
        " nothing. Unknown members and members that stand twice are refused.\n\n"
        "Needs a gateway's credential, from one of its addresses."
    ),
    "tags": ["check"],
    "security": [{"gateway": []}],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": ref("Question"), "example": QUESTION_EXAMPLE},
        },
    },
    "responses": {
        "200": {
            "description": "A decision.",
            "content": {
                "application/json": {"schema": ref("Decision"), "example": DECISION_EXAMPLE}
            },
        },
        **_problems(*PROBLEM_CODES),
    },
}

RELAYED: Final = {
    "X-Countersign-Decision": "The decision's id.",
    "X-Countersign-Code": "The decision's code.",
    "X-Countersign-Status": "The status that the client should be answered.",
    "X-Countersign-Key": "The key's id.",
    "X-Countersign-Tenant": "The key's tenant.",
    "X-Countersign-Assertion": "Empty unless the gateway asks for it.",
    "RateLimit": "What is left (draft-ietf-httpapi-ratelimit-headers).",
    "RateLimit-Policy": "The limits.",
    "Retry-After": "Whole seconds.",
}


def _verdict(description: str) -> Schema:
    headers = {
        name: {"schema": {"type": "string"}, "description": meaning}
        for name, meaning in RELAYED.items()
    }
    return {"description": description, "headers": headers}


def _parameter(name: str, description: str, *, required: bool = False) -> Schema:
    where: Schema = {"name": name, "in": "header", "schema": {"type": "string"}}
    return {**where, "description": description, "required": required}


NGINX: Final[Schema] = {
    "operationId": "authorize_nginx",
    "summary": "The same for nginx' auth_request",
    "description": (
        "nginx takes 200, 401 and 403 only: a 429 is told as 403 with `X-Countersign-Status: 429`."
        " Any method. `deploy/gateways/nginx.conf` is the recipe.\n\n"
        "Needs a gateway's credential in `X-Countersign-Gateway`."
    ),
    "tags": ["check"],
    "security": [{"gateway_header": []}],
    "parameters": [
        _parameter("X-Original-Method", "The client's method.", required=True),
        _parameter("X-Original-URI", "The client's path and query.", required=True),
        _parameter("X-Real-IP", "The client's address."),
        _parameter("x-api-key", "The client's key, or as `Authorization: Bearer`."),
    ],
    "responses": {
        "200": _verdict("Allowed."),
        "401": _verdict("No key, or none that is good; or the gateway's own credential is not."),
        "403": _verdict("Refused."),
        **_problems("STORE_UNAVAILABLE"),
    },
}

PATHS: Final[dict[str, dict[str, Any]]] = {
    "/v1/keys/check": {"post": CHECK},
    "/v1/authorize/nginx": {"get": NGINX},
}
SECURITY: Final[Schema] = {
    "gateway": {"type": "http", "scheme": "bearer", "description": "A gateway's token, `csg_…`."},
    "gateway_header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Countersign-Gateway",
        "description": "A gateway's token, `csg_…`.",
    },
}
