"""`make bench`: how fast and how large Stockroom is, each figure beside its limit of the same run."""

import asyncio
import os
import signal
import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import click

from bench import access, http, imports, million, orders, progress, shopify, webhooks
from bench.catalogue import tell
from bench.report import Row, equal, print_table, save
from bench.servers import Place, servers

QUICK_ROWS, QUICK_PRODUCTS = 10_000, 10_000
GROUPS = ("imports", "http", "orders", "access", "progress", "million", "webhooks", "shopify")


@click.command()
@click.option("--rows", default=500_000, show_default=True, help="Rows of the imported file.")
@click.option("--products", default=1_000_000, show_default=True, help="Products in the full catalogue.")
@click.option("--only", type=click.Choice(GROUPS), multiple=True, help="Measure only these; may be repeated.")
@click.option("--quick", is_flag=True, help="Small sizes and short rounds: shows that everything runs, not how fast.")
def main(*, rows: int, products: int, only: tuple[str, ...], quick: bool) -> None:
    """Measure Stockroom on servers of its own, print one table and write results/latest.json."""
    if quick:
        rows, products = min(rows, QUICK_ROWS), min(products, QUICK_PRODUCTS)
    # Ends like Ctrl-C, so that servers are stopped and their directory goes away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.perf_counter()
    found = asyncio.run(_measure(only or GROUPS, rows, products, quick=quick))
    facts = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - started),
        "cores": os.cpu_count(),
        "rows": rows,
        "products": products,
        "quick": quick,
    }
    print_table(found)
    save(facts, found)


async def _measure(groups: tuple[str, ...], rows: int, products: int, *, quick: bool) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    if "imports" in groups:
        with servers() as place:
            found["imports"] = await _group("imports", place, lambda p: imports.measure(p, rows, products, quick=quick))
    rest = [group for group in GROUPS if group in groups and group != "imports"]
    if rest:
        ways: dict[str, Callable[[Place], Awaitable[list[Row]]]] = {
            "http": lambda p: http.measure(p, products // 2, quick=quick),
            "orders": lambda p: orders.measure(p, products // 2, quick=quick),
            "access": lambda p: access.measure(p, products // 2, quick=quick),
            "progress": lambda p: progress.measure(p, products // 2, rows // 5, quick=quick),
            "million": lambda p: million.measure(p, products, quick=quick),
            "webhooks": lambda p: webhooks.measure(p, quick=quick),
            "shopify": lambda p: shopify.measure(p, quick=quick),
        }
        with servers() as place:
            await http.prepare(place, products // 2)
            for group in rest:
                found[group] = await _group(group, place, ways[group])
    return found


async def _group(name: str, place: Place, measure: Callable[[Place], Awaitable[list[Row]]]) -> list[Row]:
    tell(f"{name} begins; load average {os.getloadavg()[0]:.1f}")
    try:
        return await measure(place)
    except Exception as error:  # Whatever it is, what the other groups have found in half an hour is kept.
        traceback.print_exception(error)
        return [equal("could be measured", 0, 1, "", note=f"{type(error).__name__}: {error}"[:160])]


if __name__ == "__main__":
    main()
