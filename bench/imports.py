"""Imports against `psql \\copy` of the same rows: time, evenness, memory."""

from pathlib import Path
from statistics import mean, median

import msgspec

from bench.catalogue import empty, fill, tell
from bench.commands import Imported, import_file
from bench.data import Catalogue, write_catalogue
from bench.limits import copy_seconds
from bench.report import Row, as_fast, at_most, below, equal, inform
from bench.servers import Place, prepare

MOST_MB, MORE_MB = 200, 30
ROUNDS = 3


class Times(msgspec.Struct):
    """`limits` are measured before, between and after: a machine does not stay the same for minutes, so each import is
    compared with its two neighbours."""

    new: Imported
    same: Imported
    changed: Imported
    limits: list[float]

    def limit(self, number: int) -> float:
        """For the import of this number."""
        return mean(self.limits[number : number + 2])


async def measure(place: Place, rows: int, products: int, *, quick: bool) -> list[Row]:
    """Needs empty tables, and leaves them full."""
    await prepare(place)
    folder = place.directory / "catalogues"
    folder.mkdir(mode=0o755)
    small = await _small(place, folder, rows // 10)
    await empty(place)
    whole = write_catalogue(folder, "whole", rows)
    changed = write_catalogue(folder, "whole", rows, changed=True)
    times = await _times(place, whole, changed)
    found = [*_speed(times, whole), *_counts(times, whole, changed), *_memory(times.new, small, rows)]
    return [*found, *await _crowd(place, folder, rows // 5, products, rounds=1 if quick else ROUNDS)]


async def _small(place: Place, folder: Path, rows: int) -> Imported:
    small = await import_file(place, write_catalogue(folder, "small", rows).path)
    tell(f"import of {rows:,} rows: {small.seconds:.1f} s, {small.peak_mb:.0f} MB")
    return small


async def _times(place: Place, whole: Catalogue, changed: Catalogue) -> Times:
    limits = [await _limit(place, whole)]
    new = await _import("new", place, whole)
    limits.append(await _limit(place, whole))
    same = await _import("unchanged", place, whole)
    limits.append(await _limit(place, whole))
    some = await _import("10 % changed", place, changed)
    limits.append(await _limit(place, whole))
    return Times(new, same, some, limits)


async def _limit(place: Place, catalogue: Catalogue) -> float:
    seconds = await copy_seconds(place, catalogue)
    tell(f"\\copy: {seconds:.2f} s")
    return seconds


async def _import(what: str, place: Place, catalogue: Catalogue) -> Imported:
    done = await import_file(place, catalogue.path)
    tell(f"{what}: {done.seconds:.2f} s, {done.rows_per_second:,.0f} rows/s, {done.peak_mb:.0f} MB")
    return done


def _speed(times: Times, whole: Catalogue) -> list[Row]:
    spread = f"aim 3.0 x; limits {min(times.limits):.1f}-{max(times.limits):.1f} s for {whole.products:,} clean rows"
    return [
        at_most(4.0, f"import {whole.rows:,} new rows", times.new.seconds, times.limit(0), note=spread),
        at_most(1.0, "the same file again", times.same.seconds, times.limit(1)),
        at_most(1.5, "10 % changed", times.changed.seconds, times.limit(2)),
        inform("  new rows, as a whole command", times.new.whole_seconds, "s", times.limit(0)),
        inform("  new rows, their rate", times.new.rows_per_second, "rows/s"),
        *_evenness(times.new),
    ]


def _evenness(new: Imported) -> list[Row]:
    if not new.has_tenths:
        return []
    fifths = ", ".join(f"{new.between(fifth / 5, fifth / 5 + 0.2):,.0f}" for fifth in range(5))
    last, first = new.between(0.9, 1), new.between(0, 0.1)
    return [as_fast("last tenth of the file against the first", last, first, note=f"rows/s by fifths: {fifths}")]


def _counts(times: Times, whole: Catalogue, changed: Catalogue) -> list[Row]:
    """Fast and wrong is no import: the counters have to be those of the file."""
    return [
        equal("created, new", times.new.job["created"], whole.products),
        equal("rejected, new", times.new.job["error_count"], whole.bad),
        equal("unchanged, same file", times.same.job["unchanged"], whole.products),
        equal("updated, 10 % changed", times.changed.job["updated"], changed.changed),
    ]


def _memory(whole: Imported, small: Imported, rows: int) -> list[Row]:
    return [
        below(MOST_MB, f"peak memory, {rows:,} rows", whole.peak_mb, "MB"),
        below(
            MORE_MB,
            f"more memory than for {rows // 10:,} rows",
            whole.peak_mb - small.peak_mb,
            "MB",
            note=f"{small.peak_mb:.0f} MB there",
        ),
    ]


async def _crowd(place: Place, folder: Path, rows: int, products: int, *, rounds: int) -> list[Row]:
    """The same new rows into an empty catalogue and into a full one.

    Minutes lie between the two and only the limit tells what else the machine did, so both are parts of its speed.
    """
    files = [write_catalogue(folder, f"crowd{number}", rows) for number in range(rounds)]
    alone = []
    for file in files:
        await empty(place)
        alone.append(await _speed_beside_copy("into an empty catalogue", place, file))
    await empty(place)
    await fill(place, products)
    crowded = [await _speed_beside_copy(f"beside {products:,} products", place, file) for file in files]
    what = f"{rows:,} rows beside {products:,} products, against none"
    return [as_fast(what, median(crowded), median(alone), "of \\copy")]


async def _speed_beside_copy(what: str, place: Place, catalogue: Catalogue) -> float:
    before = await _limit(place, catalogue)
    seconds = (await _import(what, place, catalogue)).seconds
    return mean([before, await _limit(place, catalogue)]) / seconds
