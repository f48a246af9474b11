"""What may stand in the record, checked when it is written, so that no entry is poison later."""

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

import rfc8785

from portal.core.clock import rfc3339

SECRET: Final = re.compile(r"((?:live|test)_[0-9A-Za-z]{12})_[0-9A-Za-z]{8,}")
"""A credential of any brand, or enough of one to matter: cut at either end, inside other text."""

CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/ -]{0,127}")
"""Random ids, slugs and command names. No `@`: an address of a person is a label."""

DEEPEST: Final = 8
JOINERS: Final = "\u200c\u200d"  # invisible, but parts of Persian words and of emoji
KEPT: Final = "\n\t" + JOINERS


class RecordingError(Exception):
    """The record refuses what it was given; the change that it belongs to must not happen."""


class SecretRefused(RecordingError):
    """Something shaped like one of our credentials stands in what was to be recorded."""


def readable(text: str) -> str:
    """`text` in NFC, with what is invisible or turns the line around spelt out: `\\u202e`."""
    return "".join(
        f"\\u{ord(c):04x}"
        if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in KEPT
        else c
        for c in unicodedata.normalize("NFC", text)
    )


def clipped(text: str, most: int) -> str:
    """`text`, readable, and at most `most` characters of it."""
    text = readable(text[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


def without_secrets(text: str) -> str:
    """`text` with every credential's secret part replaced, its public id kept.

    Made readable first: a Kelvin sign is a K after NFC, and spelling out puts letters together.
    """
    return SECRET.sub(r"\1_[redacted]", readable(text))


def refuse_secrets(*values: Any) -> None:
    """Raise SecretRefused, which does not repeat it, if a credential stands in any text there.

    Plain values, looked at text by text: in their JSON, an escape's letter would join the text.
    """
    for value in values:
        if isinstance(value, str) and SECRET.search(value):
            raise SecretRefused("a credential stands in what was to be recorded")
        if isinstance(value, dict):
            refuse_secrets(*value, *value.values())
        if isinstance(value, list):
            refuse_secrets(*value)


def code(text: str, what: str) -> str:
    """`text` if it is a machine's word, such as `KEY_REVOKED` or `key.revoked`."""
    if not CODE.fullmatch(text):
        raise RecordingError(f"{what} is no code")
    return text


def identifier(text: str, what: str) -> str:
    """`text` if it can be an id; the envelope holds nothing that a person wrote."""
    if not IDENTIFIER.fullmatch(text):
        raise RecordingError(f"{what} is no identifier")
    return text


def plain(value: Any, *, depth: int = 0) -> Any:
    """`value` as JSON that every verifier reads alike; moments become RFC 3339.

    Refuses floats, integers of 2**53 and more, bytes, sets, keys that are no text and nesting
    deeper than 8.
    """
    if depth > DEEPEST:
        raise RecordingError(f"nested deeper than {DEEPEST}")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise RecordingError("a member's name that is no text")
        return {str.__str__(key): plain(item, depth=depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth=depth + 1) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> str | int | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return rfc3339(value)
    reason = {int: "an integer of 2**53 or more", dt.datetime: "a moment without its time zone"}
    raise RecordingError(reason.get(type(value), f"a {type(value).__name__} can't be recorded"))


def legible(value: Any) -> Any:
    """A plain value with every text in it, names too, made readable."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {readable(key): legible(item) for key, item in value.items()}
    return [legible(item) for item in value] if isinstance(value, list) else value


def canonical(value: Any) -> bytes:
    """The bytes of RFC 8785; raises RecordingError for text that is no Unicode."""
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise RecordingError(str(error)) from None
