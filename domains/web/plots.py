"""Plots over a row of days, laid out here and drawn as SVG by plot.html. Lengths are units of its view box."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import TypeAlias

import msgspec

WIDTH, HEIGHT = 360, 164
LEFT, RIGHT, TOP, BOTTOM = 40, 18, 10, 22
MOST_LINES = 4
# Of its day's width.
BAR = 0.72
LABEL_EVERY = 7
THOUSANDS = ("", "k", "M", "bn", "tn")
# More have no room beside a plot.
MOST_THOUSANDS = 10_000

Number: TypeAlias = int | Decimal
Write: TypeAlias = Callable[[Number], str]


class Bar(msgspec.Struct, frozen=True):
    x: float
    y: float
    width: float
    height: float
    kind: str


class Line(msgspec.Struct, frozen=True):
    """A line across, and what stands at its left end."""

    y: float
    text: str


class Label(msgspec.Struct, frozen=True):
    """Under a day in the middle of which `x` is."""

    x: float
    text: str


class Day(msgspec.Struct, frozen=True):
    """What is told of a day to whoever points at it."""

    x: float
    width: float
    text: str


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """`about` says in words what is to be seen. Either `bars` are drawn or `path`, a line through `area`."""

    name: str
    title: str
    about: str
    is_empty: bool
    lines: tuple[Line, ...]
    labels: tuple[Label, ...]
    days: tuple[Day, ...]
    bars: tuple[Bar, ...] = ()
    path: str = ""
    area: str = ""
    legend: tuple[str, ...] = ()


def draw_bars(
    name: str, title: str, days: Sequence[date], series: Mapping[str, Sequence[Number]], write: Write
) -> Plot:
    """A bar for each day; the series, by the word for each, stand on top of each other: the first is at the bottom."""
    columns = list(zip(*series.values(), strict=True))
    top = find_top([sum(column) for column in columns])
    told = [
        ", ".join(f"{write(value)}{_word(series, word)}" for word, value in _present(series, column))
        for column in columns
    ]
    bars = [bar for place, column in enumerate(columns) for bar in _stack(place, len(days), column, top)]
    legend = tuple(series) if len(series) > 1 else ()
    frame = _frame(name, title, days, [sum(column) for column in columns], told, top)
    return msgspec.structs.replace(frame, bars=tuple(bars), legend=legend, about=_sum_up(days, series, write))


def draw_line(name: str, title: str, days: Sequence[date], values: Sequence[Number], write: Write) -> Plot:
    """A line through the value of each day."""
    top = find_top(values)
    points = [(_middle(place, len(days)), _height(value, top)) for place, value in enumerate(values)]
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    floor = HEIGHT - BOTTOM
    area = f"{points[0][0]:g},{floor} {path} {points[-1][0]:g},{floor}"
    frame = _frame(name, title, days, values, [write(value) for value in values], top)
    about = f"From {write(values[0])} on {tell(days[0])} to {write(values[-1])} on {tell(days[-1])}."
    if frame.is_empty:
        about = f"Nothing since {tell(days[0])}."
    return msgspec.structs.replace(frame, path=path, area=area, about=about)


def find_top(values: Sequence[Number]) -> int:
    """The end of the scale: round, at least 1, and not below any value."""
    step = _step(max(values, default=0))
    return max(1, int((Decimal(max(values, default=0)) / step).to_integral_value(ROUND_CEILING))) * step


def shorten(number: int) -> str:
    """1500 as "1.5k", and what nobody has a word for as "2e16"."""
    if number >= MOST_THOUSANDS * 1000 ** (len(THOUSANDS) - 1):
        return f"{number:.0e}".replace("e+", "e")
    amount, place = Decimal(number), 0
    while amount >= 1000 and place < len(THOUSANDS) - 1:
        amount, place = amount / 1000, place + 1
    return f"{amount.normalize():f}{THOUSANDS[place]}"


def tell(day: date) -> str:
    """ "20 Nov"."""
    return f"{day.day} {day:%b}"


def _frame(
    name: str, title: str, days: Sequence[date], values: Sequence[Number], told: Sequence[str], top: int
) -> Plot:
    """All but what stands for the values."""
    width = _width(len(days))
    step = _step(max(values, default=0))
    last = len(days) - 1
    return Plot(
        name=name,
        title=title,
        about="",
        is_empty=not any(values),
        lines=tuple(Line(_height(value, top), shorten(value)) for value in range(0, top + 1, step)),
        labels=tuple(Label(_middle(place, len(days)), tell(days[place])) for place in range(last, -1, -LABEL_EVERY)),
        days=tuple(
            Day(round(LEFT + place * width, 2), round(width, 2), f"{tell(day)}: {text}")
            for place, (day, text) in enumerate(zip(days, told, strict=True))
        ),
    )


def _step(highest: Number) -> int:
    """Between lines: 1, 2 or 5 with noughts."""
    step, factors = 1, (2, Decimal("2.5"), 2)
    place = 0
    while highest > step * MOST_LINES:
        step = int(step * factors[place % 3])
        place += 1
    return step


def _stack(place: int, count: int, column: Sequence[Number], top: int) -> list[Bar]:
    """The bars of one day; the last of several series is the bad one."""
    width, below, bars = _width(count), Decimal(0), []
    for number, value in enumerate(column):
        upper, lower = _height(below + value, top), _height(below, top)
        kind = "bad" if number and number == len(column) - 1 else "plain"
        if value:
            x = LEFT + (place + (1 - BAR) / 2) * width
            bars.append(Bar(round(x, 2), upper, round(width * BAR, 2), round(lower - upper, 2), kind))
        below += value
    return bars


def _sum_up(days: Sequence[date], series: Mapping[str, Sequence[Number]], write: Write) -> str:
    totals = [sum(column) for column in zip(*series.values(), strict=True)]
    if not any(totals):
        return f"Nothing since {tell(days[0])}."
    best = max(range(len(totals)), key=totals.__getitem__)
    parts = ", ".join(f"{write(sum(values))}{_word(series, word)}" for word, values in series.items())
    return f"{parts} since {tell(days[0])}; the most on {tell(days[best])}: {write(totals[best])}."


def _present(series: Mapping[str, Sequence[Number]], column: Sequence[Number]) -> list[tuple[str, Number]]:
    """The first of the series, and of the others those with anything to tell."""
    pairs = list(zip(series, column, strict=True))
    return [pairs[0], *(pair for pair in pairs[1:] if pair[1])]


def _word(series: Mapping[str, Sequence[Number]], word: str) -> str:
    return f" {word}" if len(series) > 1 else ""


def _width(count: int) -> float:
    return (WIDTH - LEFT - RIGHT) / count


def _middle(place: int, count: int) -> float:
    return round(LEFT + (place + 0.5) * _width(count), 2)


def _height(value: Number, top: int) -> float:
    """Nothing is drawn under the floor: stock whose past is not known may count as less than none."""
    room = HEIGHT - TOP - BOTTOM
    return round(TOP + room * (1 - max(0.0, float(value) / top)), 2)
