"""Structured logs on stderr, in which nothing shaped like a token survives."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

TOKEN: Final = re.compile(r"([a-z]{3,5}_(?:live|test)_[0-9A-Za-z]{12})_[0-9A-Za-z]+")
REDACTED: Final = r"\1_[redacted]"
LINK: Final = re.compile(r"once-[0-9A-Za-z]{16,}")
"""The token of a link that sets up a sign-in (portal.tenancy.signing_in.inviting)."""


def _cut(text: str) -> str:
    return LINK.sub("once-[redacted]", TOKEN.sub(REDACTED, text))


def redact(value: Any) -> Any:
    """The value with every token's secret part replaced, however deep it stands."""
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, bytes):
        return _cut(value.decode(errors="replace"))
    if isinstance(value, dict):
        return {redact(k): redact(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [redact(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _cut(repr(value))


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {k: v if k == "exc_info" else redact(v) for k, v in event.items()}


class _LastRedaction(logging.Formatter):
    """Redacts the finished line, tracebacks included."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return _cut(self.inner.format(record))


def configure_logs(level: str) -> None:
    """Send structlog's and the standard library's logs through one redacting handler."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _LastRedaction(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=shared,
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer(),
                ],
            )
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # At DEBUG it tells of each variable that a template asks for in vain, with the whole context:
    # on the page that shows a secret, the secret.
    logging.getLogger("django.template").setLevel(logging.WARNING)
