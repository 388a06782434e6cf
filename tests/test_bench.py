"""What the benches rely on: files with the rows that they promise, a client that counts right, no question left out."""

import asyncio
import csv
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bench import sweep
from bench.client import Case, percentile, run
from bench.data import write_catalogue
from bench.report import Verdict, above, as_fast, at_least, at_most, below
from bench.servers import PYTHON, UVICORN_FLAGS
from bench.telling import middle_rate, waits_of
from domains.catalog.filters import FILTERS
from domains.catalog.queries import SORTS
from queues.up import web_command
from tests.faults.receiver import Received

VALUES = {
    **dict.fromkeys(["brand", "product_type", "rare_brand", "common_brand", "rare_type", "common_type"], "x"),
    **dict.fromkeys(["color", "size", "age_group", "currency", "gtin", "external_id", "condition", "gender"], "x"),
    **dict.fromkeys(["handle", "sku", "name"], "x"),
    **dict.fromkeys(["id", "price", "high_price", "most"], 7),
    **dict.fromkeys(["created_at", "updated_at"], datetime(2030, 1, 1, tzinfo=UTC)),
    "expiry_on": date(2030, 1, 1),
}


def test_the_measured_server_is_started_as_the_real_one():
    assert web_command() == [PYTHON, "-m", "uvicorn", "app:app", *web_command()[4:8], *UVICORN_FLAGS]
    assert sys.executable == PYTHON


def test_the_sweep_asks_every_filter_and_every_order():
    asked = {name for question in sweep.questions(VALUES) for name in question}
    assert set(FILTERS) - asked == set()
    assert set(SORTS) == set(sweep.ORDERS)


def test_a_catalogue_has_the_rows_that_it_promises(tmp_path: Path):
    made = write_catalogue(tmp_path, "whole", 6000)
    with made.path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with made.clean.open(newline="") as file:
        clean = list(csv.DictReader(file))
    keys = [row["sku"].lower() for row in clean]
    assert len(rows) == made.rows == 6000
    assert len(clean) == len(set(keys)) == made.products
    assert made.products + made.bad < 5700
    assert any("\n" in row["description"] for row in rows)
    assert len({row["slug"] for row in clean}) == len(clean)


def test_a_changed_catalogue_differs_in_as_many_products_as_it_says(tmp_path: Path):
    before = write_catalogue(tmp_path, "whole", 6000)
    after = write_catalogue(tmp_path, "whole", 6000, changed=True)
    old, new = ({row["sku"].lower(): row for row in _good_rows(made.path)} for made in (before, after))
    assert sum(old[key] != new[key] for key in old) == after.changed > 0.08 * after.products


def _good_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if row["sku"] and row["price"][0].isdigit() and row["is_active"] != "perhaps"]


async def test_the_client_counts_every_answer():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
            await asyncio.sleep(0)
            writer.write(b"llo")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        asked = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        outcome = await run(Case(port=port, requests=[asked], connections=3, count=100))
    assert (outcome.count, outcome.failed, outcome.body_bytes) == (100, 0, 5)


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (at_most(4, "x", 4.0, 1.0), Verdict.OK),
        (at_most(4, "x", 4.1, 1.0), Verdict.MISSED),
        (at_least(0.6, "x", 6, 10), Verdict.OK),
        (at_least(0.6, "x", 5.9, 10), Verdict.MISSED),
        (as_fast("x", 200, 100), Verdict.OK),
        (as_fast("x", 74, 100), Verdict.MISSED),
        (below(20, "x", 20.1, "ms"), Verdict.MISSED),
        (above(1000, "x", 1000, "/s"), Verdict.OK),
        (above(1000, "x", 999, "/s"), Verdict.MISSED),
    ],
)
def test_a_reach_is_kept_or_missed(row, verdict):
    assert row.verdict is verdict


def test_percentiles_are_answers_that_came():
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert percentile([1.0], 0.95) == 1.0


def came(at: float, path: str = "/ok/a", webhook_id: str = "msg_1") -> Received:
    return Received(path, webhook_id, 0, b"", at, {})


def test_a_rate_leaves_out_the_beginning_and_the_end():
    slow_ends = [came(-50), *(came(number / 10) for number in range(18)), came(100)]
    assert middle_rate(slow_ends) == pytest.approx(10)


def test_waits_are_those_of_healthy_receivers_for_what_was_announced():
    requests = [came(7.5), came(9, "/hang/a"), came(9, webhook_id="msg_other"), came(8)]
    assert waits_of(requests, {"msg_1": 7.0}).slowest == 1000
    assert waits_of(requests, {"msg_1": 7.0}).count == 2
