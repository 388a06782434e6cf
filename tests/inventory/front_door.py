"""A shop that is asked over HTTP from another thread, as Hypothesis' state machines run: rules are not coroutines."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from domains.catalog.proof import find_differences
from piccolo_conf import execute, fetch, fetch_value
from tests.imports.uploads import import_csv
from tests.inventory.laws import broken_laws

Result = TypeVar("Result")

EMPTY = """
    TRUNCATE product, stock_level, stock_movement, low_stock_notification, event, sales_order, sales_order_line,
        delivery, purchase_order, purchase_order_line, receipt, receipt_line, import_job, idempotency_record CASCADE
"""


class FrontDoor:
    """Bound to the loop of the test that makes it; its methods are called from a thread beside it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.loop = asyncio.get_running_loop()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def ask(self, method: str, path: str, body: object = None, *, twice: bool = False) -> httpx.Response:
        """Asked twice under one key, the second answer is the first one, and nothing happens again."""
        headers = {"Idempotency-Key": uuid4().hex} if twice else {}
        answers = [self.run(self.client.request(method, path, json=body, headers=headers)) for _ in range(1 + twice)]
        assert answers[0].status_code < 500, answers[0].text
        assert {(answer.status_code, answer.content) for answer in answers} == {
            (answers[0].status_code, answers[0].content)
        }
        return answers[0]

    def import_csv(self, content: str, **fields: str) -> dict[str, Any]:
        return self.run(import_csv(self.client, content, **fields))

    def empty(self) -> list[int]:
        """Everything but users goes; the ids of two locations, the default one first."""
        return self.run(self._empty())

    async def _empty(self) -> list[int]:
        await execute(EMPTY)
        await execute("INSERT INTO location (code, name) VALUES ('shop', 'Shop') ON CONFLICT DO NOTHING")
        return [row["id"] for row in await fetch("SELECT id FROM location ORDER BY is_default DESC, id")]

    def find_product(self, sku: str) -> int:
        return int(self.run(fetch_value("SELECT id FROM product WHERE sku = $1", sku)))

    def find_wrong(self) -> list[object]:
        return self.run(self._find_wrong())

    async def _find_wrong(self) -> list[object]:
        return [*await broken_laws(fetch), *await find_differences()]

    def levels(self) -> dict[int, dict[int, int]]:
        """By product and location."""
        rows = self.run(
            fetch("SELECT p.id, l.location, l.on_hand FROM product p LEFT JOIN stock_level l ON l.product = p.id")
        )
        found: dict[int, dict[int, int]] = {row["id"]: {} for row in rows}
        for row in rows:
            if row["location"] is not None:
                found[row["id"]][row["location"]] = row["on_hand"]
        return found

    def orders(self) -> dict[int, str]:
        return {row["id"]: row["status"] for row in self.run(fetch("SELECT id, status FROM sales_order"))}

    def outstanding(self) -> dict[int, int]:
        """Of each purchase order, all lines together."""
        rows = self.run(fetch(OUTSTANDING))
        return {row["purchase_order"]: row["outstanding"] for row in rows}


OUTSTANDING = """
    SELECT purchase_order, sum(quantity - received_quantity - cancelled_quantity)::int AS outstanding
    FROM purchase_order_line GROUP BY 1
"""
