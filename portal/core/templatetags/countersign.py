"""What every template may use: moments, figures, seals, copy buttons. No markup holds a style."""

import datetime as dt
from typing import Any, Final

from django import template
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.core.clock import UTC, now, rfc3339

register = template.Library()

LEFT: Final = "M10.9 1.06V6l3 3-6 6 3 3v4.94A11 11 0 0 1 10.9 1.06Z"
RIGHT: Final = "M13.1 22.94V18l-3-3 6-6-3-3V1.06A11 11 0 0 1 13.1 22.94Z"
ON: Final = '<path class="on" d="{}"/>'
OFF: Final = '<path d="{}"/>'
HIDDEN: Final = SafeString('aria-hidden="true"')
STEPS: Final = ((86_400, "day"), (3_600, "h"), (60, "min"), (1, "s"))


def apart(seconds: int) -> str:
    """A length of time in its largest unit: `41 days`, `5 h`, `12 min`, `4 s`."""
    for size, unit in STEPS:
        if seconds >= size:
            count = seconds // size
            return f"{count:,} {unit}{'s' if unit == 'day' and count > 1 else ''}"
    return "0 s"


def _time(moment: dt.datetime, words: str, title: str) -> SafeString:
    return format_html('<time datetime="{}" title="{}">{}</time>', rfc3339(moment), title, words)


def exact(moment: dt.datetime) -> str:
    """`22 Nov 2026, 14:06:29 UTC`."""
    return f"{date_format(moment.astimezone(UTC), 'j M Y, H:i:s')} UTC"


@register.filter
def moment(value: dt.datetime | None) -> SafeString | str:
    """`22 Nov 2026, 14:06 UTC`; the script adds the reader's own time on hover."""
    if value is None:
        return "never"
    return _time(value, f"{date_format(value.astimezone(UTC), 'j M Y, H:i')} UTC", exact(value))


@register.filter
def clock_time(value: dt.datetime) -> SafeString:
    """`14:06:29`, for lists of one day."""
    return _time(value, date_format(value.astimezone(UTC), "H:i:s"), exact(value))


@register.filter
def ago(value: dt.datetime | None) -> SafeString | str:
    """`4 s ago`, exact on hover; `never` for none."""
    if value is None:
        return "never"
    seconds = int((now() - value).total_seconds())
    words = f"{apart(seconds)} ago" if seconds > 0 else "now" if seconds > -60 else "ahead"
    return _time(value, words, exact(value))


@register.filter
def until(value: dt.datetime | None) -> SafeString | str:
    """`in 41 days` or `ended 4 days ago`; `no expiry` for none."""
    if value is None:
        return "no expiry"
    seconds = int((value - now()).total_seconds())
    words = f"in {apart(seconds)}" if seconds > 0 else f"ended {apart(-seconds)} ago"
    return _time(value, words, exact(value))


@register.filter
def soon(value: dt.datetime | None) -> str:
    """The class of an end: red under 24 h and when past, amber under 7 days."""
    if value is None:
        return ""
    left = value - now()
    if left < dt.timedelta(days=1):
        return "bad-text"
    return "warn-text" if left < dt.timedelta(days=7) else ""


@register.filter
def dash(value: Any) -> str:
    """A number as it stands in a table: a zero or nothing is a dash."""
    return f"{value:,}" if value else "–"


@register.filter
def share(part: int, whole: int) -> str:
    """`1.37 %`; a dash of nothing."""
    return f"{100 * part / whole:.2f} %" if whole and part else "–"


@register.filter
def a(noun: str) -> str:
    """`a day`, `an hour`: a window after an amount."""
    return f"an {noun}" if noun == "hour" else f"a {noun}"


@register.filter
def short(value: int | float) -> str:
    """A large number in three digits or so: `18.4 M`, `92 K`."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")):
        if value >= size:
            count = value / size
            return f"{count:.0f} {unit}" if count >= 100 else f"{count:.3g} {unit}"
    return f"{value:g}"


@register.simple_tag
def seal(signed: int = 0, size: str = "", label: str = "") -> SafeString:
    """The mark: `signed` of its two halves are filled. Of approvals and proofs alone."""
    spoken = format_html('role="img" aria-label="{}"', label) if label else HIDDEN
    return format_html(
        '<svg class="seal {}" viewBox="-.6 -.6 25.2 25.2" {}>{}{}</svg>',
        size,
        spoken,
        format_html(ON if signed > 0 else OFF, LEFT),
        format_html(ON if signed > 1 else OFF, RIGHT),
    )


@register.simple_tag
def copy(text: str, label: str = "Copy", of: str = "") -> SafeString:
    """A button that copies `text`. Hidden until the script that does it is there."""
    aria = format_html(' aria-label="{}"', f"{label} {of}") if of else ""
    return format_html(
        '<button class="copy" type="button" data-copy="{}"{} hidden>{}</button>', text, aria, label
    )


@register.simple_tag
def copy_next(label: str = "Copy", of: str = "") -> SafeString:
    """A button that copies what its figure, or the output beside it, shows."""
    aria = format_html(' aria-label="{}"', f"{label} {of}") if of else ""
    return format_html(
        '<button class="copy" type="button" data-copy-shown{} hidden>{}</button>', aria, label
    )


@register.simple_tag(takes_context=True)
def to(context: Any, name: str, *args: Any) -> str:
    """The address of another page, by its name: the same template serves admin and tenants."""
    address: str = context["page"].url(name, *args)
    return address


@register.filter
def member(held: Any, name: str) -> Any:
    """`held[name]`, for names that come from data; empty when there is none."""
    return held.get(name, "") if held else ""
