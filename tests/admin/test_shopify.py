"""What Shopify told at the admin site: what failed or is parked is looked at, and processed again by a form, once."""

import re
from typing import Any

import asyncpg
import httpx
import pytest

from piccolo_conf import DB, execute, fetch, fetch_value
from queues.job import QUEUES
from tests.admin.visiting import SITE, TABLES, submit, text_of

PAGE = "pages/shopify/"
HIDDEN = re.compile(r'type="hidden" name="(form_id|seen|shown)" value="([^"]+)"')
# Two that failed, two that are parked; four that are not meant.
FILL = """
INSERT INTO inbound_webhook (id, topic, webhook_id, subject, state, reason, detail, attempts, received_at, processed_at)
    SELECT id, topic, 'w-' || id, 'thing:' || id, state, reason, 'Told ' || id, 2,
        '2026-01-01T00:00Z'::timestamptz + id * interval '1 hour', CASE WHEN state <> 'pending' THEN now() END
    FROM (VALUES (1, 'products/update', 'failed', 'internal'), (2, 'orders/create', 'failed', 'bad_payload'),
        (3, 'inventory_levels/update', 'parked', 'unknown_item'), (4, 'products/update', 'parked', 'sku_taken'),
        (5, 'products/update', 'processed', NULL), (6, 'products/update', 'ignored', 'stale'),
        (7, 'products/update', 'pending', NULL), (8, 'orders/create', 'failed', 'redacted')
    ) AS told (id, topic, state, reason)
"""


@pytest.fixture
async def desk(site: httpx.AsyncClient) -> httpx.AsyncClient:
    await execute(FILL)
    await QUEUES["default"].redis.flushdb()
    return site


async def look(desk: httpx.AsyncClient, **chosen: str) -> dict[str, str]:
    """The form that asks to confirm, with its box ticked."""
    page = await desk.get(f"{SITE}/{PAGE}", params=chosen)
    assert page.status_code == 200, text_of(page)
    return {**chosen, **dict(HIDDEN.findall(page.text)), "confirmed": "yes"}


async def asked() -> list[int]:
    rows = await fetch("SELECT id FROM inbound_webhook WHERE state = 'pending' AND id <> 7 ORDER BY id")
    return [row["id"] for row in rows]


async def test_looking_shows_what_failed_or_is_parked_and_changes_nothing(desk: httpx.AsyncClient) -> None:
    text = text_of(await desk.get(f"{SITE}/{PAGE}"))
    assert "4 webhooks" in text
    assert "2026-01-01 03:00 inventory_levels/update thing:3 parked unknown item: Told 3 2" in text
    assert "thing:5" not in text
    assert "thing:8" not in text
    assert await asked() == []


async def test_every_page_leads_there(desk: httpx.AsyncClient) -> None:
    assert f'<a href="{SITE}/{PAGE}">Shopify: process again</a>' in (await desk.get(f"{SITE}/pages/stock/")).text


async def test_what_was_looked_at_is_processed_again_from_the_first_attempt(desk: httpx.AsyncClient) -> None:
    done = await submit(desk, PAGE, **await look(desk))
    assert done.headers["location"] == f"{SITE}/{PAGE}?shown=4%2C3%2C2%2C1&done=4"
    assert "4 webhooks will be processed again within seconds" in text_of(await desk.get(done.headers["location"]))
    assert await asked() == [1, 2, 3, 4]
    row = await fetch("SELECT attempts, reason, detail, next_attempt_at <= now() FROM inbound_webhook WHERE id = 1")
    assert tuple(row[0]) == (0, None, "", True)
    assert await QUEUES["default"].count("queued") == 1


@pytest.mark.parametrize(
    ("chosen", "ids"),
    [
        ({"state": "parked"}, [3, 4]),
        ({"reason": "sku_taken"}, [4]),
        ({"topic": "products/update"}, [1, 4]),
        ({"topic": "products/update", "state": "failed"}, [1]),
        ({"since": "2026-01-01T02:00", "until": "2026-01-01T03:00"}, [2]),
        ({"since": "2026-01-01T04:00+01:00"}, [3, 4]),
        ({"ids": "1, 3;99 7 8"}, [1, 3]),
        ({"ids": "5 6"}, [5, 6]),
    ],
)
async def test_webhooks_are_chosen(desk: httpx.AsyncClient, chosen: dict[str, str], ids: list[int]) -> None:
    done = await submit(desk, PAGE, **await look(desk, **chosen))
    assert done.status_code == 303, text_of(done)
    assert await asked() == ids


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"state": "lost"}, "State: "),
        ({"reason": "none"}, "Reason: "),
        ({"topic": "x" * 101}, "Topic: "),
        ({"since": "yesterday"}, "Received from: expected a time like"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "Received from: expected a time like"),
        ({"ids": "1, x"}, "Only these ids, whatever has become of them: x is no id"),
        ({"ids": "0"}, "Only these ids, whatever has become of them: 0 is no id"),
        ({"ids": "9" * 19}, "Only these ids, whatever has become of them: 9999999999999999999 is no id"),
    ],
)
async def test_a_choice_that_cannot_be_read_is_told(desk: httpx.AsyncClient, chosen: dict[str, str], told: str) -> None:
    page = await desk.get(f"{SITE}/{PAGE}", params=chosen)
    assert (page.status_code, told in text_of(page)) == (400, True)
    assert (await submit(desk, PAGE, **(await look(desk) | chosen))).status_code == 400
    assert await asked() == []


async def test_a_second_click_asks_for_nothing_more(desk: httpx.AsyncClient) -> None:
    form = await look(desk, state="failed")
    await submit(desk, PAGE, **form)
    await execute("UPDATE inbound_webhook SET state = 'failed', reason = 'internal', processed_at = now()")
    assert (await submit(desk, PAGE, **form)).headers["location"] == f"{SITE}/{PAGE}?state=failed&shown=2%2C1&done=2"
    assert await asked() == []


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"confirmed": ""}, 400, "Tick the box"),
        ({"seen": "3"}, 409, "These are not the webhooks that you looked at"),
        ({"seen": ""}, 409, "These are not the webhooks that you looked at"),
        ({"form_id": ""}, 409, "This form was sent before"),
    ],
)
async def test_what_was_not_confirmed_is_not_processed(
    desk: httpx.AsyncClient, change: dict[str, Any], status: int, told: str
) -> None:
    refused = await submit(desk, PAGE, **(await look(desk) | change))
    assert (refused.status_code, told in text_of(refused)) == (status, True)
    assert await asked() == []


async def test_what_a_worker_has_at_this_moment_has_to_be_looked_at_again(desk: httpx.AsyncClient) -> None:
    form = await look(desk)
    worker = await asyncpg.connect(**DB.config)
    async with worker.transaction():
        await worker.execute("SELECT FROM inbound_webhook WHERE id = 3 FOR NO KEY UPDATE")
        assert (await submit(desk, PAGE, **form)).status_code == 409
    await worker.close()
    assert await asked() == []


async def test_no_more_is_asked_for_at_once_than_a_statement_can(desk: httpx.AsyncClient) -> None:
    await execute(
        """INSERT INTO inbound_webhook (id, topic, webhook_id, state, reason, processed_at)
           SELECT n + 8, 'orders/paid', 'many-' || n, 'failed', 'internal', now() FROM generate_series(1, 10001) AS n"""
    )
    page = text_of(await desk.get(f"{SITE}/{PAGE}?topic=orders/paid"))
    assert ("More than 10,000 webhooks" in page, "choose fewer" in page) == (True, True)
    form = await look(desk, state="parked") | {"state": "", "seen": "10001"}
    assert (await submit(desk, PAGE, **form)).status_code == 409
    assert await asked() == []


async def test_afterwards_the_page_tells_what_has_become_of_them(desk: httpx.AsyncClient) -> None:
    done = (await submit(desk, PAGE, **await look(desk))).headers["location"]
    assert "By now: 4 waiting. Look again" in text_of(await desk.get(done))
    await execute("UPDATE inbound_webhook SET state = 'processed', processed_at = now() WHERE id IN (1, 3)")
    await execute("UPDATE inbound_webhook SET attempts = 1 WHERE id = 2")
    await execute(
        "UPDATE inbound_webhook SET state = 'parked', reason = 'sku_taken', processed_at = now() WHERE id = 4"
    )
    page = await desk.get(done)
    assert "4 webhooks were processed again. By now: 2 processed, 1 parked, 1 still tried. See" in text_of(page)
    assert f'"{SITE}/#/inbound_webhook?id__in=4,3,2,1"' in page.text
    listed = (await desk.get(f"{TABLES}/inbound_webhook/?id__in=4,3,2,1,99")).json()["rows"]
    assert {row["id"] for row in listed} == {1, 2, 3, 4}


async def test_the_row_of_a_webhook_leads_to_the_form_and_shows_its_body(desk: httpx.AsyncClient) -> None:
    await execute("UPDATE inbound_webhook SET body = $1 WHERE id = 5", '{"title": "<b>"}')
    row = (await desk.get(f"{SITE}/api/tables/inbound_webhook/5/")).json()
    assert (row["body"], row["state"]) == ('{"title": "<b>"}', "processed")
    assert "thing:5" in text_of(await desk.get(f"{SITE}/{PAGE}?ids=5"))


async def test_an_order_of_the_shop_tells_its_number_there_and_what_the_shop_gave_back(desk: httpx.AsyncClient) -> None:
    order = await fetch_value(
        """INSERT INTO sales_order (number, currency, total, source, shopify_order_id, shopify_order_name)
           VALUES ('SO-1', 'EUR', 9, 'shopify', 450789469, '#1001') RETURNING id"""
    )
    await execute(
        """INSERT INTO sales_refund (sales_order, shopify_refund_id, amount, note, refunded_at)
           VALUES ($1, 1, 4.5, 'Broken', '2030-01-02T03:04Z')""",
        order,
    )
    text = text_of(await desk.get(f"{SITE}/pages/orders/{order}/"))
    assert "Came by shopify as #1001" in text
    assert "Given back by the shop When (UTC) Amount Note 2030-01-02 03:04 4.50 EUR Broken" in text
    assert "It took nothing here and gives nothing back." in text


async def test_nobody_else_gets_there(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get(f"{SITE}/{PAGE}")).status_code == 303
    assert (await submit(visitor, PAGE, confirmed="yes", seen="4")).status_code == 303
