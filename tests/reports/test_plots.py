"""Plots: where bars and lines stand, and what is told of them."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from domains.web.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw_bars, draw_line, find_top, shorten, tell

DAYS = [date(2026, 11, 1) + timedelta(days=number) for number in range(30)]
FLOOR = HEIGHT - BOTTOM


def zeros_and(**values: int) -> list[int]:
    """Zero on all days but the named ones: d0, d29."""
    return [values.get(f"d{number}", 0) for number in range(30)]


def count(number: int | Decimal) -> str:
    return f"{number:,}"


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0, 1), (1, 1), (3, 3), (4, 4), (5, 6), (9, 10), (41, 60), (1234, 1500), (Decimal("129456.5"), 150_000)],
)
def test_a_scale_ends_at_a_round_number_that_no_value_exceeds(highest: int, top: int) -> None:
    assert find_top([0, highest]) == top
    assert find_top([highest]) >= highest


@pytest.mark.parametrize("highest", [*range(200), 10**6 + 1, 10**13, 10**21 + 7, Decimal("0.01")])
def test_a_scale_has_few_lines(highest: int) -> None:
    plot = draw_bars("x", "X", DAYS, {"": [highest, *zeros_and()[1:]]}, count)
    assert 2 <= len(plot.lines) <= 5
    assert (plot.lines[0].y, plot.lines[-1].y) == (FLOOR, TOP)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (5, "5"),
        (1000, "1k"),
        (1500, "1.5k"),
        (250_000, "250k"),
        (2_000_000, "2M"),
        (10**15, "1000tn"),
        (4 * 10**19, "4e19"),
    ],
)
def test_numbers_of_a_scale_are_short(number: int, text: str) -> None:
    assert shorten(number) == text


def test_bars_stand_on_the_floor_inside_their_day() -> None:
    plot = draw_bars("orders", "Orders", DAYS, {"": zeros_and(d0=4, d29=1)}, count)
    first, last = plot.bars
    assert (first.y, first.y + first.height, last.height * 4) == (TOP, FLOOR, first.height)
    assert first.x > LEFT
    assert last.x + last.width < WIDTH - RIGHT
    assert [plot.days[0].text, plot.days[29].text] == ["1 Nov: 4", "30 Nov: 1"]


def test_bad_parts_stand_on_the_good_ones() -> None:
    series = {"delivered": zeros_and(d3=6), "failed": zeros_and(d3=2, d4=1)}
    plot = draw_bars("deliveries", "Deliveries", DAYS, series, count)
    good, bad, alone = plot.bars
    assert (good.kind, bad.kind, alone.kind) == ("plain", "bad", "bad")
    assert bad.y + bad.height == pytest.approx(good.y)
    assert plot.legend == ("delivered", "failed")
    assert plot.days[3].text == "4 Nov: 6 delivered, 2 failed"
    assert plot.days[4].text == "5 Nov: 0 delivered, 1 failed"
    assert plot.about == "6 delivered, 3 failed since 1 Nov; the most on 4 Nov: 8."


def test_a_line_goes_through_every_day() -> None:
    plot = draw_line("value", "Value", DAYS, [Decimal(10)] * 29 + [Decimal(20)], count)
    points = [tuple(map(float, point.split(","))) for point in plot.path.split()]
    assert (len(points), points[-1][1], points[0][1]) == (30, TOP, (TOP + FLOOR) / 2)
    assert plot.about == "From 10 on 1 Nov to 20 on 30 Nov."
    assert plot.bars == ()


def test_a_value_that_was_below_zero_is_drawn_at_the_floor() -> None:
    plot = draw_line("value", "Value", DAYS, [Decimal(-5)] * 29 + [Decimal(20)], count)
    assert max(float(point.split(",")[1]) for point in plot.path.split()) == FLOOR


def test_where_nothing_was_nothing_is_drawn() -> None:
    for plot in (draw_bars("x", "X", DAYS, {"": zeros_and()}, count), draw_line("x", "X", DAYS, zeros_and(), count)):
        assert (plot.is_empty, plot.about, plot.bars) == (True, "Nothing since 1 Nov.", ())


def test_every_week_has_its_label_and_the_last_day_too() -> None:
    plot = draw_bars("x", "X", DAYS, {"": zeros_and(d1=1)}, count)
    assert [label.text for label in plot.labels] == ["30 Nov", "23 Nov", "16 Nov", "9 Nov", "2 Nov"]
    assert tell(DAYS[0]) == "1 Nov"
