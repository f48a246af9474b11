"""JSON Schemas of what the management API takes and gives (CONTRACT.md, Shapes).

What is taken is judged by keys/definitions.py; this says the same to readers and generators, and a
test holds real answers against it.
"""

from typing import Final

from portal.tenancy.schema import MOMENT, Schema, a_page, listed, maybe, ref, shape, text

AMOUNT: Final = {"type": "integer", "minimum": 0, "maximum": 10**12}
VERSION: Final = {"type": "integer", "minimum": 1, "description": "Raised by every change."}
ENVIRONMENT: Final = text(enum=["live", "test"])
STATE: Final = text(enum=["active", "pending", "suspended", "revoked", "leaked"])
SCOPES: Final = listed(
    text(most=64, minLength=1), "Scopes of the Api, such as `chat:write`.", most=64
)
CIDRS: Final = listed(
    text(most=49, minLength=2), "Networks of the callers; empty: any address.", most=64
)
MODELS: Final = listed(
    text(most=128, minLength=1), "Models that may be asked for; empty: any.", most=64
)
PURPOSES: Final = maybe(
    listed(
        text(most=64, minLength=1),
        "Purposes that the key may claim; null: any of the tenant's.",
        most=64,
    )
)
METADATA: Final = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "description": "Flat, your own; at most 2 KiB in all. Told in every decision.",
}
NAME: Final = text("Need not be unique.", most=128, minLength=1)
EXPIRES: Final = maybe({**MOMENT, "description": "When the key ends; null: it does not."})
OWNER: Final = text("A membership, such as `mem_7Kq2mX9aB4cD`.")

LIMIT: Final[Schema] = {
    "name": text(most=64, minLength=1),
    "unit": text("`requests`, `tokens` or your own.", pattern="^[a-z][a-z0-9_]{0,31}$"),
    "amount": AMOUNT,
    "window": text(enum=["second", "minute", "hour", "day", "month"]),
    "algorithm": text(
        "`calendar`: so many a window, all at once if need be. `smooth`: a token bucket.",
        enum=["smooth", "calendar"],
    ),
    "shared_by": text(
        "Counted for this key, or for all keys of the tenant.", enum=["key", "tenant"]
    ),
    "burst": {
        **AMOUNT,
        "nullable": True,
        "description": "`smooth` only: the bucket's size. The amount unless given.",
    },
}

CHANGEABLE: Final[Schema] = {
    "name": NAME,
    "owner": {**OWNER, "description": "A membership; the token's creator unless given."},
    "scopes": SCOPES,
    "limits": listed(ref("Limit"), "In a PATCH they are replaced whole.", most=8),
    "allowed_cidrs": CIDRS,
    "allowed_models": MODELS,
    "purposes": PURPOSES,
    "metadata": METADATA,
    "expires_at": EXPIRES,
}

SECRET: Final = shape(
    {
        "kid": text("The public id: what stands after the environment in the key's text."),
        "issued_at": MOMENT,
        "expires_at": maybe(MOMENT),
        "revoked_at": maybe(MOMENT),
        "last_used_at": maybe(MOMENT),
    },
    description="What proves a key. Its value was told once and is kept nowhere.",
)

KEY: Final = shape(
    {
        "id": text("Stable for the key's life, through every rotation."),
        "name": NAME,
        "tenant": text("The tenant's slug."),
        "api": text("The slug of the Api that the key is for."),
        "environment": ENVIRONMENT,
        "owner": OWNER,
        "state": STATE,
        "scopes": SCOPES,
        "limits": listed(ref("Limit"), most=8),
        "allowed_cidrs": CIDRS,
        "allowed_models": MODELS,
        "purposes": PURPOSES,
        "metadata": METADATA,
        "expires_at": EXPIRES,
        "created_at": MOMENT,
        "last_used_at": maybe(MOMENT),
        "secrets": listed(ref("Secret")),
        "version": VERSION,
    }
)

LIMIT_ROW: Final[Schema] = {
    "id": text(),
    **LIMIT,
    "key": maybe(text("The key whose own it is; null for one that the tenant's keys share.")),
    "created_at": MOMENT,
    "version": VERSION,
}

USAGE_ROW: Final[Schema] = {
    "hour": {**MOMENT, "description": "When it began (UTC)."},
    "key": text("The key's id."),
    "code": text("The decision's code."),
    "decisions": {"type": "integer", "minimum": 0},
    "units": {
        "type": "object",
        "additionalProperties": {"type": "integer", "minimum": 0},
        "description": "Granted units, by unit.",
    },
}

PROPAGATION: Final = text(
    "`complete`: no check that starts from now on is decided by the old state, on any process."
    " `pending`: Redis can't be reached; it will hold as soon as it can.",
    enum=["complete", "pending"],
)

COMPONENTS: Final[Schema] = {
    "Limit": shape(LIMIT, "burst"),
    "Secret": SECRET,
    "Key": KEY,
    "NewKey": shape(
        {
            **CHANGEABLE,
            "environment": ENVIRONMENT,
            "api": text("The Api's slug; needed if the tenant may use several."),
        },
        *(name for name in CHANGEABLE if name not in {"name", "scopes"}),
        "api",
    ),
    "KeyPatch": shape(
        {**CHANGEABLE, "metadata": {**METADATA, "additionalProperties": maybe(text())}},
        *CHANGEABLE,
        description="A merge patch (RFC 7396): a null member of `metadata` is removed.",
    ),
    "IssuedKey": shape(
        {
            "key": ref("Key"),
            "secret": maybe(text("The key's text: told now and never again. Null in a replay.")),
        }
    ),
    "ChangedKey": shape({"key": ref("Key"), "propagation": PROPAGATION}),
    "Reason": shape({"reason": text("Why, for the record.", most=512, minLength=1)}),
    "KeyPage": a_page(ref("Key")),
    "LimitRow": shape(LIMIT_ROW, "burst"),
    "LimitPage": a_page(ref("LimitRow")),
    "LimitPatch": shape(
        {"amount": AMOUNT, "burst": {**AMOUNT, "description": "`smooth` only."}},
        "amount",
        "burst",
        description="A merge patch (RFC 7396).",
    ),
    "ChangedLimit": shape({"limit": ref("LimitRow"), "propagation": PROPAGATION}),
    "UsageRow": shape(USAGE_ROW, "hour", "key", "code"),
    "UsagePage": a_page(ref("UsageRow")),
    "Problem": shape(
        {
            "type": text("A reference to this problem's documentation."),
            "title": text(),
            "status": {"type": "integer"},
            "code": text("One of a closed set; see the documentation."),
            "detail": text(),
            "errors": listed(
                shape(
                    {
                        "detail": text(),
                        "pointer": text(
                            "Where: a JSON Pointer into the body (RFC 6901), `?name` for a query"
                            " parameter, a header's name for a header."
                        ),
                    }
                )
            ),
        },
        "errors",
        description="RFC 9457. Nothing in it differs per request; see the header X-Request-Id.",
    ),
}
