"""Queues, dates and histories, as people read them."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from redis.asyncio import Redis
from saq import Job, Status
from saq.queue.redis import RedisQueue

from admin import status
from piccolo_conf import execute
from queues.job import QUEUES
from tests.admin.visiting import SITE, TABLES, text_of

QUEUE_PAGE = f"{SITE}/pages/queues/"


async def test_the_queues_are_told(site: httpx.AsyncClient) -> None:
    page = await site.get(QUEUE_PAGE)
    text = text_of(page)
    assert "Queue Queued Active Scheduled Workers default" in text
    assert "imports" in text
    assert 'http-equiv="refresh"' in page.text
    only_to_look_at = page.text.partition("<main")[2]
    assert "<form" not in only_to_look_at
    assert "<button" not in only_to_look_at


async def test_rows_that_wait_are_told_with_their_age(site: httpx.AsyncClient) -> None:
    await execute(
        "INSERT INTO import_job (id, filename, status, created_at) "
        "SELECT gen_random_uuid(), 'a', s, now() - age::interval "
        "FROM (VALUES ('pending', '3 hours'), ('failed', '1 day'), ('failed', '9 days')) AS v(s, age);"
        "INSERT INTO mail (\"to\", template, subject, text, html) VALUES ('secret@example.com', 't', 's', 'x', 'x');"
        "INSERT INTO schedule_run (schedule, due_at) SELECT max(id), now() - interval '2 hours' FROM schedule"
    )
    text = text_of(await site.get(QUEUE_PAGE))
    assert "Imports failed 1" in text
    assert "Imports pending 1 3 h" in text
    assert "Mail pending 1" in text
    assert "Scheduled jobs pending 1 2 h" in text
    assert "secret@example.com" not in text


async def test_events_and_webhooks_that_wait_are_told_with_those_of_this_week(site: httpx.AsyncClient) -> None:
    assert "Webhooks" not in text_of(await site.get(QUEUE_PAGE)).partition("Rows that wait")[2]
    await execute(
        "INSERT INTO webhook_endpoint (url, event_types) VALUES ('https://example.com/', '{*}');"
        "INSERT INTO event (topic, subject, source, occurred_at) "
        "SELECT 'a.b', 'a:1', 'sql', now() - interval '3 hours' FROM generate_series(1, 3);"
        "INSERT INTO webhook_delivery (event, endpoint, created_at) "
        "SELECT id, 1, now() - interval '2 hours' FROM event;"
        "UPDATE webhook_delivery SET state = 'paused' WHERE id = 1;"
        "INSERT INTO webhook_tally (day, endpoint_id, delivered, failed) "
        "VALUES (current_date, 1, 5, 0), (current_date, 2, 4, 2), (current_date - 9, 1, 70, 70)"
    )
    text = text_of(await site.get(QUEUE_PAGE))
    assert "Events to pass on pending 3 3 h" in text
    assert "Webhooks delivered 9 Webhooks failed 2 Webhooks paused 1 Webhooks pending 2 2 h" in text


async def test_jobs_are_told_without_their_arguments(site: httpx.AsyncClient) -> None:
    queue = QUEUES["default"]
    job = await queue.enqueue("send_something", secret="HUSH", retries=1, ttl=60)
    assert job is not None
    await job.update(status="failed", attempts=1, error="Traceback: HUSH")
    try:
        page = await site.get(QUEUE_PAGE)
    finally:
        await queue.redis.flushdb()
    assert "default send_something failed 1" in text_of(page)
    assert "HUSH" not in page.text
    assert "Traceback" not in page.text


async def test_without_redis_the_page_says_so(site: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = RedisQueue(Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.2), name="default")
    monkeypatch.setattr(status, "QUEUES", {"default": nowhere})
    page = await site.get(QUEUE_PAGE)
    assert page.status_code == 200
    assert "Redis does not answer" in text_of(page)
    assert "Rows that wait" in text_of(page)


async def test_more_jobs_than_can_be_looked_at_are_no_outage(
    site: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def search_for_long(*_arguments: object) -> AsyncIterator[Job]:
        yield Job("seen_first", status=Status.ACTIVE, queue=QUEUES["default"])
        await asyncio.sleep(60)

    monkeypatch.setattr(status, "LONGEST_SEARCH_SECONDS", 0.1)
    monkeypatch.setattr(QUEUES["default"], "iter_jobs", search_for_long)
    text = text_of(await site.get(QUEUE_PAGE))
    assert "default seen_first active" in text
    assert "not all are shown" in text
    assert "does not answer" not in text


@pytest.fixture
async def dated(site: httpx.AsyncClient) -> httpx.AsyncClient:
    await execute(
        "INSERT INTO product (sku, name, created_at) SELECT 'P-' || n, 'x', t::timestamptz FROM (VALUES "
        "(1, '2025-12-31 23:59:59Z'), (2, '2026-01-01 00:00:00Z'), (3, '2026-01-31 23:30:00Z'), "
        "(4, '2026-12-31 10:00:00Z'), (5, '2024-02-29 10:00:00Z')) AS v(n, t)"
    )
    return site


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, "2026 3 2025 1 2024 1"),
        ({"year": "2026"}, "December 2026 1 January 2026 2"),
        ({"year": "2026", "month": "1"}, "31 January 2026 1 1 January 2026 1"),
        ({"year": "2024", "month": "2"}, "29 February 2024 1"),
        ({"year": "1999"}, "There are none."),
    ],
)
async def test_rows_are_counted_by_year_month_and_day(
    dated: httpx.AsyncClient, query: dict[str, str], told: str
) -> None:
    text = text_of(await dated.get(f"{SITE}/pages/dates/products/", params=query))
    assert told in text


async def test_a_number_leads_to_just_its_rows(dated: httpx.AsyncClient) -> None:
    page = await dated.get(f"{SITE}/pages/dates/products/?year=2026&month=1")
    links = [part.partition('"')[0] for part in page.text.split('href="/admin/#/product?')[1:]]
    asked = [httpx.QueryParams(link.replace("&amp;", "&")) for link in links]
    found = [(await dated.get(f"{TABLES}/product/", params=query)).json()["rows"] for query in asked]
    assert [[row["sku"] for row in rows] for rows in found] == [["P-3"], ["P-2"]]


CALENDARS = ["products", "changed-products", "events", "movements", "orders", "purchases", "imports", "mail", "users"]


@pytest.mark.parametrize("name", CALENDARS)
async def test_every_calendar_is_drawn(site: httpx.AsyncClient, name: str) -> None:
    assert (await site.get(f"{SITE}/pages/dates/{name}/?year=2026&month=12")).status_code == 200


@pytest.mark.parametrize("query", ["?year=x", "?year=0", "?year=2026&month=13", "?year=99999", "?year=9999&month=12"])
async def test_a_date_that_is_none_is_refused(site: httpx.AsyncClient, query: str) -> None:
    assert (await site.get(f"{SITE}/pages/dates/products/{query}")).status_code == 400


async def test_a_calendar_that_is_none_is_not_found(site: httpx.AsyncClient) -> None:
    assert (await site.get(f"{SITE}/pages/dates/passwords/")).status_code == 404


async def test_a_history_goes_back_page_by_page(site: httpx.AsyncClient) -> None:
    await execute("INSERT INTO product (sku, name) VALUES ('P-1', 'Lamp & <b>')")
    for price in range(1, 61):
        await execute("UPDATE product SET price = $1", price)
    newest = await site.get(f"{SITE}/pages/history/1/")
    assert "price 59.00 → 60.00" in text_of(newest)
    assert "Lamp &amp; &lt;b&gt;" in newest.text
    before = newest.text.partition("?before=")[2].partition('"')[0]
    assert "price 0.00 → 1.00" in text_of(await site.get(f"{SITE}/pages/history/1/?before={before}"))


@pytest.mark.parametrize(
    "path", ["9/", "99999999999/", "9" * 5000 + "/", "1/?before=x", "1/?before=" + "9" * 19, "x/", "-1/"]
)
async def test_a_history_that_is_none_is_not_found(site: httpx.AsyncClient, path: str) -> None:
    assert (await site.get(f"{SITE}/pages/history/{path}")).status_code == 404


async def test_a_deleted_product_keeps_its_history(site: httpx.AsyncClient) -> None:
    await execute("INSERT INTO product (sku, name) VALUES ('P-1', 'Lamp')")
    await execute("DELETE FROM product")
    assert "This product is deleted." in text_of(await site.get(f"{SITE}/pages/history/1/"))
