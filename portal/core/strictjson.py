"""JSON that can be read in one way only (RFC 8259, RFC 7493), for the management API.

Duplicate members, NaN, infinities, lone surrogates and NUL are refused with a pointer to where they
stand: two parsers that differ about them are a known way around checks (CVE-2022-25757).
"""

import json
import math
from typing import IO, Any, Final, NoReturn

from rest_framework.parsers import BaseParser

from portal.core.refusals import Refusal, step

LARGEST_BODY: Final = 65_536
"""Bytes. The largest valid body, a key with every list full, has about 40 000."""
DEEPEST: Final = 16
"""Levels of nesting. Ours have four."""


TOO_LARGE: Final = f"At most {LARGEST_BODY} bytes are taken here."


class _Doubled(dict[str, Any]):
    """An object in which a member's name stands twice."""

    name = ""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled, seen = _Doubled(found), set()
    for name, _ in pairs:
        if name in seen:
            doubled.name = name
            break
        seen.add(name)
    return doubled


def _refuse(detail: str, pointer: str = "") -> NoReturn:
    raise Refusal("REQUEST_INVALID", errors=[{"detail": detail, "pointer": pointer}])


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number beyond what a double holds")
    return number


def loads(raw: bytes) -> dict[str, Any]:
    """The object that `raw` holds; raises Refusal, with a pointer where a place can be named."""
    try:
        value = json.loads(
            raw.decode(), object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float
        )
    except UnicodeDecodeError:
        _refuse("The body is not UTF-8.")
    except json.JSONDecodeError as error:
        _refuse(f"The body is not JSON: see line {error.lineno}, column {error.colno}.")
    except RecursionError:
        _refuse(f"The body is nested deeper than {DEEPEST} levels.")
    except ValueError:  # NaN, an infinity, or an integer of thousands of digits
        _refuse("A number in the body is none that JSON can hold.")
    _examine(value)
    if not isinstance(value, dict):
        _refuse("The body has to be a JSON object.")
    return value


def _examine(value: Any) -> None:
    """Walk the whole value without recursion and refuse what no text or depth limit admits."""
    ahead: list[tuple[Any, str, int]] = [(value, "", 1)]
    while ahead:
        item, pointer, depth = ahead.pop()
        if isinstance(item, str):
            _examine_text(item, pointer)
        elif isinstance(item, dict | list):
            if depth > DEEPEST:
                _refuse(f"The body is nested deeper than {DEEPEST} levels.")
            if isinstance(item, _Doubled):
                _examine_text(item.name, pointer)
                _refuse("This member stands twice.", step(pointer, item.name))
            pairs = item.items() if isinstance(item, dict) else enumerate(item)
            for name, inner in pairs:
                if isinstance(name, str):
                    _examine_text(name, pointer)
                ahead.append((inner, step(pointer, name), depth + 1))


def _examine_text(text: str, pointer: str) -> None:
    if "\0" in text:
        _refuse("NUL is not taken in any text.", pointer)
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse("A lone surrogate is no character.", pointer)


class StrictJSONParser(BaseParser):
    """DRF's way to `loads`, with the cap on the body's size."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, Any]:
        """The body's object; raises Refusal BODY_TOO_LARGE or REQUEST_INVALID."""
        raw = stream.read(LARGEST_BODY + 1)
        if len(raw) > LARGEST_BODY:
            raise Refusal("BODY_TOO_LARGE", TOO_LARGE)
        return loads(raw)


class MergePatchParser(StrictJSONParser):
    """The same for PATCH's own media type (RFC 7396)."""

    media_type = "application/merge-patch+json"
