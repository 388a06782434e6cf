"""`litestar shopify`: doctor, reconcile."""

import asyncio
import time

import click
import msgspec

from domains.shopify.doctor import doctor
from domains.shopify.reconciliation import find_progress
from domains.shopify.reconciliation_report import Report, number_of
from domains.shopify.reconciling import reconcile
from lib import egress
from lib.commands import runs
from lib.terminal import Bar, say
from piccolo_conf import migrate, pool

MOST_TOLD = 50
LOOK_SECONDS = 0.5
# A repair may have to wait for others' locks.
LONGEST_STATEMENT_SECONDS = 600


@click.group()
def shopify() -> None:
    """Compare with the shop, and examine how we are connected."""


shopify.add_command(doctor)


@shopify.command("reconcile")
@click.option("--dry-run", is_flag=True, help="Change nothing, only tell what differs.")
@click.option("--from-start", is_flag=True, help="Do not go on where the last one was stopped.")
@click.option("--json", "as_json", is_flag=True)
@runs()
async def reconcile_(*, dry_run: bool, from_start: bool, as_json: bool) -> None:
    """Compare all products and levels with the shop, repair what differs and tell it. One that was stopped less than a
    day ago goes on."""
    await migrate()
    async with pool(4, longest_seconds=LONGEST_STATEMENT_SECONDS), egress.opened():
        on_begin = None if as_json else _tell_taken_up
        work = asyncio.create_task(reconcile(dry_run=dry_run, from_start=from_start, on_begin=on_begin))
        report = await _watch(work)
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        _tell(report)


def _tell_taken_up(report: Report) -> None:
    if not report.resumes:
        return
    levels = f" and {number_of(report.counts.levels, 'level')}" if report.counts.levels else ""
    say(f"Going on with comparison {report.id}: {number_of(report.counts.variants, 'variant')}{levels} so far.")


async def _watch(work: "asyncio.Task[Report]") -> Report:
    began, before = time.monotonic(), None
    with Bar("Shopify") as bar:
        while not work.done():
            await asyncio.wait([work], timeout=LOOK_SECONDS)
            counts = await find_progress()
            done = counts.variants + counts.levels
            # One that goes on has done much already.
            before = done if before is None else before
            told = f"Shopify: {counts.variants:,} variants, {counts.levels:,} levels"
            bar.show(told, done, None, (done - before) / (time.monotonic() - began))
    return await work


def _tell(report: Report) -> None:
    for it in report.differences[:MOST_TOLD]:
        say(f"  {it.what} {it.shopify_id}  {it.sku or '-'}  {it.field}: {it.ours} here, {it.theirs} in the shop")
    if report.counts.differences > MOST_TOLD:
        say(f"  … {report.counts.differences - MOST_TOLD} more")
    say(report.tell())
