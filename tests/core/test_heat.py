"""A week of use as a grid: a busier hour is a larger square."""

import datetime as dt

import pytest

from portal.core import heat as module
from portal.core.heat import begin, heat

NOW = dt.datetime(2026, 11, 24, 10, 30, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def tuesday(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is half past ten on a Tuesday."""
    monkeypatch.setattr(module, "now", lambda: NOW)


def test_a_week_ends_today_and_hours_to_come_are_not_drawn() -> None:
    told = heat({})
    assert [day.label for day in told.days][::6] == ["Wed 18", "Tue 24"]
    assert begin() == dt.datetime(2026, 11, 18, tzinfo=dt.UTC)
    assert told.days[-1].counts == [0] * 11 + [None] * 13
    assert [css for css, _ in told.paths] == ["h-0"]
    assert told.paths[0][1].count("z") == 6 * 24 + 11
    assert (told.most, told.total, told.busiest) == (0, 0, "")


def test_a_busier_hour_is_a_larger_square() -> None:
    at = NOW.replace(minute=0)
    told = heat({at: 1, at - HOUR: 50, at - 2 * HOUR: 51, at - 3 * HOUR: 100, at - 30 * HOUR: 76})
    sizes = {css: float(path.split("h")[1].split("v")[0]) for css, path in told.paths}
    assert list(sizes) == ["h-0", "h-1", "h-2", "h-3", "h-4"]
    assert sorted(sizes.values()) == list(sizes.values())
    assert dict(told.paths)["h-4"].count("z") == 2
    assert told.busiest == "Tue 24, 07:00 to 08:00" and told.total == 278


def test_what_was_before_the_week_takes_no_part() -> None:
    assert heat({begin() - HOUR: 5}).total == 0
    assert heat({begin(): 5}).total == 5


@pytest.mark.parametrize(
    ("most", "words"),
    [
        (0, ["not used"]),
        (1, ["not used", "1"]),
        (3, ["not used", "1", "2", "3"]),
        (100, ["not used", "1 to 25", "26 to 50", "51 to 75", "76 to 100"]),
    ],
)
def test_the_legend_says_what_each_square_is(most: int, words: list[str]) -> None:
    assert [level.words for level in heat({begin(): most}).legend] == words


@pytest.mark.parametrize("most", [1, 2, 3, 4, 7, 100])
def test_every_count_is_where_the_legend_says(most: int) -> None:
    """The squares that are drawn are those that the legend names."""
    for count in range(1, most + 1):
        told = heat({begin(): most, begin() + HOUR: count})
        assert {css for css, _ in told.paths} <= {level.css for level in told.legend}, count
