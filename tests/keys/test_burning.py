"""A quota's burn-down: what was left over its window, and when it is used up at this pace."""

import datetime as dt
from typing import Any

import pytest

from keys import burning
from keys.burning import burn, foreseen, window_of
from keys.remaining import LimitLeft
from portal.core.burndown import plot

UTC = dt.UTC
NOON = dt.datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def limit(remaining: int, window: str = "day", amount: int = 1_000, **changes: Any) -> LimitLeft:
    told = {
        "id": "lim_a", "name": "day", "unit": "requests", "window": window, "amount": amount,
        "remaining": remaining, "resets_in": 1, "shared_by": "key", "algorithm": "calendar",
    }  # fmt: skip
    return LimitLeft(**{**told, **changes})


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon, on a Tuesday in November."""
    monkeypatch.setattr(burning, "now", lambda: NOON)


def hours(**granted: int) -> dict[dt.datetime, int]:
    """`h03=5`: five units in the hour from 03:00."""
    return {NOON.replace(hour=int(name[1:])): units for name, units in granted.items()}


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        ("hour", (24, 12), (24, 13)),
        ("day", (24, 0), (25, 0)),
        ("month", (1, 0), None),
    ],
)
def test_windows_are_the_calendars(window: str, start: Any, end: Any) -> None:
    found = window_of(window, NOON)
    assert (found.start.day, found.start.hour) == start
    last = dt.datetime(2026, 12, 1, tzinfo=UTC) if end is None else NOON.replace(day=end[0])
    assert found.end == (last if end is None else last.replace(hour=end[1]))


def test_december_ends_with_the_year() -> None:
    found = window_of("month", dt.datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    assert found.end == dt.datetime(2027, 1, 1, tzinfo=UTC)


def test_it_is_said_when_it_is_used_up_at_this_pace() -> None:
    told = burn(limit(1_000 - 643))  # in half a day: another 357 in 6 h 40 min
    assert told.words == "At this pace it is used up at 18:39."
    assert told.up is not None and told.css == "warn" and told.at_end == 100
    assert burn(limit(1_000 - 501)).up is not None
    assert burn(limit(500)).up is None


def test_what_lasts_is_said_with_its_share() -> None:
    told = burn(limit(690))
    assert told.words == "At this pace 62 % of it is used when the day ends."
    assert (told.used, told.percent, told.css) == (310, 31, "")


def test_what_is_used_up_says_when_there_is_more() -> None:
    told = burn(limit(0))
    assert told.words == "Used up. There is more from 00:00 on 25 Nov, in 12 h."
    assert told.css == "bad" and told.plot.ahead == ""
    assert burn(limit(0, amount=0)).words == "Its amount is 0: it lets nothing through."


def test_nothing_is_foretold_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert burn(limit(1_000)).words == "Nothing of it is used yet."
    monkeypatch.setattr(burning, "now", lambda: NOON.replace(hour=0, minute=30))
    early = burn(limit(10))
    assert early.words == "The day has only just begun: too early to say."
    assert early.up is None and early.css == "" and early.plot.ahead == ""


def test_a_months_moments_have_their_day() -> None:
    told = burn(limit(100, window="month"))
    assert told.words == "At this pace it is used up at 02:40 on 27 Nov."


def test_its_course_follows_the_hours_and_ends_at_the_counter() -> None:
    told = burn(limit(900), hours(h01=40, h03=60))
    assert [point.left for point in told.points] == [
        1_000, 1_000, 960, 960, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900,
    ]  # fmt: skip
    assert told.points[-1].at == NOON and told.points[0].at == told.window.start


def test_what_was_granted_before_the_counter_counted_is_left_out() -> None:
    told = burn(limit(950), hours(h01=40, h03=60))
    assert [point.left for point in told.points][:6] == [1_000, 1_000, 1_000, 1_000, 950, 950]


def test_what_is_not_drained_yet_comes_at_the_end() -> None:
    told = burn(limit(700), hours(h01=40))
    assert [point.left for point in told.points][-2:] == [960, 700]


def test_a_month_goes_by_days_and_never_above_48_points() -> None:
    granted = {NOON - dt.timedelta(days=n): 10 for n in range(20)}
    told = burn(limit(800, window="month"), granted)
    assert len(told.points) == 25
    assert told.points[-2].left == 1_000 - 190
    assert max(len(burn(limit(1, w), granted).points) for w in ("hour", "day", "month")) <= 48


@pytest.mark.parametrize(
    ("changes", "told"),
    [({}, True), ({"window": "minute"}, False), ({"algorithm": "smooth"}, False)],
)
def test_only_long_calendar_windows_are_foreseen(changes: dict[str, Any], told: bool) -> None:
    assert foreseen(limit(5, **changes)) is told


def test_the_shape_is_closed_and_within_its_frame() -> None:
    drawn = plot([(0, 1), (0.5, 0.4)], (1.2, -0.5))
    assert drawn.left == "M0.00 2.00L50.00 59.60V98H0z"
    assert drawn.line == "M0.00 2.00L50.00 59.60"
    assert drawn.ahead == "M50.00 59.60L120.00 98.00"
    assert plot([(0, 1), (0.5, 0.4)], None).ahead == ""
