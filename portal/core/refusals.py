"""An expected refusal, told alike by the API, a page and a command."""

from collections.abc import Mapping, Sequence
from typing import Literal, NoReturn

from portal.core.logs import redact

Code = Literal[
    "REQUEST_INVALID", "CREDENTIAL_INVALID", "FORBIDDEN", "APPROVAL_REQUIRED", "NOT_FOUND",
    "CONFLICT", "PRECONDITION_FAILED", "PRECONDITION_REQUIRED", "BODY_TOO_LARGE", "MEDIA_TYPE",
    "IDEMPOTENCY_MISMATCH", "TOO_MANY_REQUESTS", "STORE_UNAVAILABLE", "AUDIT_STALLED",
]  # fmt: skip
"""Those of the contract's problem codes (CONTRACT.md) that a verb or its parser may answer."""


class Refusal(Exception):
    """What was asked is not done, and nothing was changed.

    `errors` name what to mend: each has a `detail` and a `pointer` (RFC 6901) to where it stands.
    Neither they nor `detail` ever repeat a value that was sent.
    """

    def __init__(
        self, code: Code, detail: str = "", errors: Sequence[Mapping[str, str]] = ()
    ) -> None:
        super().__init__(code, detail)
        self.code, self.detail, self.errors = code, detail, list(errors)

    def __str__(self) -> str:
        told = [f"{error['pointer']}: {error['detail']}" for error in self.errors]
        return "; ".join([f"{self.code}: {self.detail}" if self.detail else self.code, *told])


def step(pointer: str, name: str | int) -> str:
    """`pointer` one level deeper (RFC 6901). A credential in the name is cut out."""
    return f"{pointer}/{redact(str(name))[:64].replace('~', '~0').replace('/', '~1')}"


def refuse(detail: str, pointer: str) -> NoReturn:
    """Refuse one member of a request."""
    raise Refusal("REQUEST_INVALID", errors=[{"detail": detail, "pointer": pointer}])


class Faults:
    """Everything that is wrong with one request, so that it is told at once."""

    def __init__(self) -> None:
        self.errors: list[dict[str, str]] = []

    def add(self, pointer: str, detail: str | None) -> None:
        """Note a fault; None is none."""
        if detail is not None:
            self.errors.append({"detail": detail, "pointer": pointer})

    def settle(self) -> None:
        """Raise Refusal if there was any."""
        if self.errors:
            raise Refusal("REQUEST_INVALID", errors=self.errors)
