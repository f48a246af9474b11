"""Time as text and as milliseconds, always UTC."""

import datetime as dt

UTC = dt.UTC


def now() -> dt.datetime:
    """This process's clock; what is stored takes PostgreSQL's, what is decided Redis'."""
    return dt.datetime.now(UTC)


def rfc3339(moment: dt.datetime | None) -> str | None:
    """`2026-11-23T03:28:05Z` (RFC 3339), with microseconds where there are any."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def milliseconds(moment: dt.datetime) -> int:
    """Whole milliseconds since 1970, rounded down."""
    return int(moment.timestamp() * 1000)


def from_milliseconds(number: int) -> dt.datetime:
    """The moment `number` milliseconds after 1970."""
    return dt.datetime.fromtimestamp(number / 1000, UTC)
