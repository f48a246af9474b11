"""What the schema says of one operation: its request, its answers and every problem it may have."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from portal.core.problem_codes import CONTENT_TYPE, PROBLEMS
from portal.tenancy.schema import Schema, ref

F = TypeVar("F", bound=Callable[..., Any])

JSON: Final = ("application/json",)
PATCHES: Final = ("application/merge-patch+json", "application/json")

READING: Final = ("CREDENTIAL_INVALID", "FORBIDDEN", "NOT_FOUND", "REQUEST_INVALID")
ALWAYS: Final = (*READING, "TOO_MANY_REQUESTS", "STORE_UNAVAILABLE")
WRITING: Final = (*ALWAYS, "BODY_TOO_LARGE", "MEDIA_TYPE")
IDEMPOTENT: Final = ("CONFLICT", "IDEMPOTENCY_MISMATCH")
CONDITIONAL: Final = ("PRECONDITION_REQUIRED", "PRECONDITION_FAILED")


def query(name: str, description: str, schema: Schema | None = None) -> OpenApiParameter:
    """A query parameter."""
    return OpenApiParameter(name, schema or {"type": "string"}, description=description)


TENANT: Final = OpenApiParameter(
    "tenant", str, OpenApiParameter.PATH, description="The tenant's slug, which is the token's."
)
IDEMPOTENCY_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description=(
        "Your own name for this request. Within 24 hours a repeat does nothing and answers 200"
        " with `Idempotency-Replayed: true`, what stands now, and no secret."
    ),
)
IF_MATCH: Final = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="The `ETag` that you read: what changed meanwhile is not overwritten.",
)
CURSOR: Final = query(
    "cursor", "The `next` of the page before.", {"type": "string", "maxLength": 512}
)
LIMIT: Final = query(
    "limit",
    "Results a page.",
    {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
)


def object_id(of: str) -> OpenApiParameter:
    """The path parameter `id`."""
    return OpenApiParameter("id", str, OpenApiParameter.PATH, description=f"The {of}'s id.")


def _header(name: str, description: str, *statuses: int) -> OpenApiParameter:
    return OpenApiParameter(
        name, str, OpenApiParameter.HEADER, description=description, response=list(statuses)
    )


def problem_answers(codes: Sequence[str]) -> dict[tuple[int, str], OpenApiResponse]:
    """The answers by status; several codes of one status share it."""
    by_status: dict[int, list[str]] = {}
    for code in sorted(set(codes), key=lambda code: (PROBLEMS[code].status, code)):
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    return {
        (status, CONTENT_TYPE): OpenApiResponse(
            ref("Problem"),
            " or ".join(f"`{code}`: {PROBLEMS[code].title}" for code in several),
        )
        for status, several in by_status.items()
    }


def described(
    operation_id: str,
    summary: str,
    *,
    tag: str,
    needs: str,
    answers: dict[int, tuple[str, Schema]],
    description: str = "",
    body: Schema | None = None,
    media: Sequence[str] = JSON,
    parameters: Sequence[OpenApiParameter] = (),
    problems: Sequence[str] = ALWAYS,
    tagged: bool = False,
) -> Callable[[F], F]:
    """extend_schema, said once: `needs` is the scope, `tagged` that answers carry an ETag."""
    good = {
        (status, JSON[0]): OpenApiResponse(schema, words)
        for status, (words, schema) in answers.items()
    }
    headers = [_header("X-Request-Id", "Names this request in logs and ledger.", *answers)]
    if tagged:
        headers.append(_header("ETag", "Of the governed columns; for `If-Match`.", *answers))
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        description=f"{description}\n\nNeeds the scope `{needs}`.".strip(),
        tags=[tag],
        request=None if body is None else dict.fromkeys(media, body),
        responses={**good, **problem_answers(problems)},
        parameters=[TENANT, *parameters, *headers],
    )
