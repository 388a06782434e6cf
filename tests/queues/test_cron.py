"""Five fields by the clock of a time zone, also on the days on which that clock is changed."""

import itertools
from datetime import UTC, datetime

import pytest

from lib.errors import BadInput
from queues.cron import clean_cron, next_time

BERLIN = "Europe/Berlin"
FORWARD = datetime(2026, 3, 28, 20, tzinfo=UTC)
BACK = datetime(2026, 10, 24, 20, tzinfo=UTC)


def ticks(cron: str, timezone: str, after: datetime, number: int) -> list[str]:
    """Day and time in UTC."""
    found = []
    for _ in range(number):
        after = next_time(cron, timezone, after)
        found.append(f"{after:%d %H:%M}")
    return found


def test_a_tick_is_behind_the_one_before_it():
    assert ticks("*/10 * * * *", "UTC", datetime(2026, 1, 1, 0, 10, tzinfo=UTC), 3) == [
        "01 00:20",
        "01 00:30",
        "01 00:40",
    ]


def test_the_clock_is_that_of_the_time_zone():
    assert ticks("0 0 * * *", "Asia/Kathmandu", datetime(2026, 1, 1, tzinfo=UTC), 1) == ["01 18:15"]


def test_what_falls_into_the_missing_hour_is_due_at_its_end():
    assert ticks("30 2 * * *", BERLIN, FORWARD, 2) == ["29 01:00", "30 00:30"]


def test_what_falls_into_the_hour_that_comes_twice_is_due_once():
    assert ticks("30 2 * * *", BERLIN, BACK, 2) == ["25 00:30", "26 01:30"]


@pytest.mark.parametrize("after", [FORWARD, BACK])
def test_each_hour_is_an_hour_behind_the_last_whatever_the_clock_says(after: datetime):
    found = [next_time("0 * * * *", BERLIN, after)]
    for _ in range(10):
        found.append(next_time("0 * * * *", BERLIN, found[-1]))
    assert {(later - sooner).total_seconds() for sooner, later in itertools.pairwise(found)} == {3600}


def test_spaces_do_not_matter():
    assert clean_cron("  0\t3 *  * 1-5 ") == "0 3 * * 1-5"


NO_CRON = ["", "* * * *", "* * * * * *", "@daily", "60 * * * *", "*/0 * * * *", "R * * * *", "H H * * *", "a b c d e"]
NO_CRON += ["0 0 30 2 *", "٣ * * * *", "0-99999999999999999999 * * * *", "1,,2 * * * *", "* * * * mon#9"]


@pytest.mark.parametrize("cron", NO_CRON)
def test_what_is_no_cron_or_never_due_is_refused_by_name(cron: str):
    with pytest.raises(BadInput) as refused:
        clean_cron(cron)
    assert [error.field for error in refused.value.errors] == ["cron"]


@pytest.mark.parametrize("timezone", ["", "Mars/Olympus", "../../etc/passwd", "Europe", "europe/berlin"])
def test_what_is_no_time_zone_is_refused_by_name(timezone: str):
    with pytest.raises(BadInput) as refused:
        next_time("0 0 * * *", timezone, FORWARD)
    assert [error.field for error in refused.value.errors] == ["timezone"]
