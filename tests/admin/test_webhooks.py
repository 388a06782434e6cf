"""Webhooks at the admin site: deliveries that failed are looked at, and sent again by a form, once."""

import re
from typing import Any

import httpx
import pytest

from domains.webhooks import resending
from piccolo_conf import execute, fetch, fetch_value
from queues.job import QUEUES
from tests.admin.visiting import SITE, submit, text_of

PAGE = "pages/webhooks/"
HIDDEN = re.compile(r'type="hidden" name="(form_id|seen|shown)" value="([^"]+)"')
# Of two endpoints and one that is switched off: the first has three deliveries that failed, the others one each.
FILL = """
INSERT INTO webhook_endpoint (url, event_types) VALUES ('https://a.example/hook', '{*}'), ('https://b.example/', '{*}');
INSERT INTO webhook_endpoint (url, event_types, is_enabled, disabled_reason, disabled_at)
    VALUES ('https://off.example/', '{*}', false, 'by_hand', now());
INSERT INTO event (topic, subject, source, relayed_at)
    SELECT topic, 'product:1', 'sql', now()
    FROM unnest(ARRAY['product.updated', 'product.deleted', 'order.placed', 'product.created']) AS topic;
INSERT INTO webhook_delivery (event, endpoint, state, attempt, step, last_status_code, created_at, next_attempt_at)
    SELECT n, 1, 'failed', 10, 10, 500, '2026-01-01T00:00Z'::timestamptz + n * interval '1 hour', '2026-01-05T00:00Z'
    FROM generate_series(1, 3) AS n;
INSERT INTO webhook_delivery (event, endpoint, state, attempt, last_error)
    VALUES (1, 2, 'failed', 10, 'timed_out'), (1, 3, 'failed', 10, 'timed_out');
INSERT INTO webhook_delivery (event, endpoint, state, attempt, delivered_at)
    VALUES (4, 1, 'delivered', 1, now()), (4, 3, 'paused', 0, NULL), (4, 2, 'pending', 3, NULL);
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


async def resent() -> list[int]:
    rows = await fetch("SELECT id FROM webhook_delivery WHERE state = 'pending' AND trigger = 'manual' ORDER BY id")
    return [row["id"] for row in rows]


async def test_looking_shows_what_failed_and_changes_nothing(desk: httpx.AsyncClient) -> None:
    text = text_of(await desk.get(f"{SITE}/{PAGE}"))
    assert "4 deliveries" in text
    assert "2026-01-01 03:00 order.placed https://a.example/hook 10 500" in text
    assert "product.updated https://b.example/ 10 timed out" in text
    assert "https://off.example/ 10" not in text
    assert await resent() == []


async def test_what_was_looked_at_is_due_again_from_the_first_step(desk: httpx.AsyncClient) -> None:
    done = await submit(desk, PAGE, **await look(desk))
    assert done.headers["location"] == f"{SITE}/{PAGE}?shown=4%2C3%2C2%2C1&done=4"
    assert "4 deliveries will be sent again" in text_of(await desk.get(done.headers["location"]))
    assert await resent() == [1, 2, 3, 4]
    row = await fetch("SELECT step, attempt, next_attempt_at <= now() AS due FROM webhook_delivery WHERE id = 1")
    assert tuple(row[0]) == (0, 10, True)
    assert await fetch_value("SELECT state FROM webhook_delivery WHERE id = 5") == "failed"
    assert await QUEUES["default"].count("queued") == 1


@pytest.mark.parametrize(
    ("chosen", "ids"),
    [
        ({"endpoint": "2"}, [4]),
        ({"event_type": "product.updated"}, [1, 4]),
        ({"endpoint": "1", "event_type": "order.placed"}, [3]),
        ({"since": "2026-01-01T02:00", "until": "2026-01-01T03:00"}, [2]),
        ({"since": "2026-01-01T04:00+01:00", "endpoint": "1"}, [3]),
        ({"ids": "1, 3;8 6"}, [1, 3]),
    ],
)
async def test_deliveries_are_chosen(desk: httpx.AsyncClient, chosen: dict[str, str], ids: list[int]) -> None:
    done = await submit(desk, PAGE, **await look(desk, **chosen))
    assert done.status_code == 303, text_of(done)
    assert await resent() == ids


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"endpoint": "x"}, "Endpoint: "),
        ({"endpoint": "9" * 30}, "Endpoint: "),
        ({"event_type": "product.sold"}, "Event: "),
        ({"since": "yesterday"}, "Made from: expected a time like"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "Made from: expected a time like"),
        ({"ids": "1, x"}, "Only these ids: x is no id"),
        ({"ids": "9" * 19}, "Only these ids: 9999999999999999999 is no id"),
    ],
)
async def test_a_choice_that_cannot_be_read_is_told(desk: httpx.AsyncClient, chosen: dict[str, str], told: str) -> None:
    page = await desk.get(f"{SITE}/{PAGE}", params=chosen)
    assert page.status_code == 400
    assert told in text_of(page)
    refused = await submit(desk, PAGE, **(await look(desk) | chosen))
    assert refused.status_code == 400
    assert await resent() == []


async def test_a_second_click_sends_nothing_more(desk: httpx.AsyncClient) -> None:
    form = await look(desk, endpoint="1")
    await submit(desk, PAGE, **form)
    await execute("UPDATE webhook_delivery SET state = 'failed'")
    assert (await submit(desk, PAGE, **form)).headers["location"] == f"{SITE}/{PAGE}?endpoint=1&shown=3%2C2%2C1&done=3"
    assert await resent() == []


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"confirmed": ""}, 400, "Tick the box"),
        ({"seen": "3"}, 409, "What failed is not what you looked at"),
        ({"seen": ""}, 409, "What failed is not what you looked at"),
        ({"form_id": ""}, 409, "This form was sent before"),
    ],
)
async def test_what_was_not_confirmed_is_not_sent(
    desk: httpx.AsyncClient, change: dict[str, Any], status: int, told: str
) -> None:
    refused = await submit(desk, PAGE, **(await look(desk) | change))
    assert (refused.status_code, told in text_of(refused)) == (status, True)
    assert await resent() == []


async def test_what_failed_meanwhile_has_to_be_looked_at(desk: httpx.AsyncClient) -> None:
    form = await look(desk)
    await execute("UPDATE webhook_delivery SET state = 'failed' WHERE id = 8")
    assert (await submit(desk, PAGE, **form)).status_code == 409
    assert await resent() == []


async def test_no_more_is_sent_at_once_than_a_statement_can(desk: httpx.AsyncClient) -> None:
    await execute(
        "INSERT INTO event (topic, subject, source) SELECT 'a.b', 'a:1', 'sql' FROM generate_series(1, 10001)"
    )
    await execute(
        "INSERT INTO webhook_delivery (event, endpoint, state) SELECT id, 2, 'failed' FROM event WHERE id > 4"
    )
    page = await desk.get(f"{SITE}/{PAGE}?endpoint=2")
    assert "More than 10,000 deliveries" in text_of(page)
    assert "choose fewer" in text_of(page)
    form = await look(desk, endpoint="1") | {"endpoint": "2", "seen": "10001"}
    assert (await submit(desk, PAGE, **form)).status_code == 409
    assert await resent() == []
    assert await resending.resend_failed(resending.Failed(endpoint=1), 3) == 3


async def test_afterwards_the_page_tells_what_has_become_of_them(desk: httpx.AsyncClient) -> None:
    done = (await submit(desk, PAGE, **await look(desk))).headers["location"]
    assert "By now: 4 waiting. Look again" in text_of(await desk.get(done))
    await execute("UPDATE webhook_delivery SET state = 'delivered', delivered_at = now() WHERE id IN (1, 3)")
    await execute("UPDATE webhook_delivery SET step = 1 WHERE id = 2")
    await execute("UPDATE webhook_delivery SET state = 'failed' WHERE id = 4")
    page = await desk.get(done)
    assert "4 deliveries were sent again. By now: 2 delivered, 1 failed, 1 still tried. See" in text_of(page)
    assert f'"{SITE}/#/webhook_delivery?id__in=4,3,2,1"' in page.text


async def test_of_more_than_are_shown_the_latest_are_told_of(desk: httpx.AsyncClient) -> None:
    await execute("INSERT INTO event (topic, subject, source) SELECT 'a.b', 'a:1', 'sql' FROM generate_series(1, 60)")
    await execute(
        "INSERT INTO webhook_delivery (event, endpoint, state) SELECT id, 2, 'failed' FROM event WHERE id > 4"
    )
    done = (await submit(desk, PAGE, **await look(desk, endpoint="2"))).headers["location"]
    assert "61 deliveries will be sent again within seconds. Of the latest 50: 50 waiting" in text_of(
        await desk.get(done)
    )


@pytest.mark.parametrize("address", ["?done=4&shown=x", "?done=4", "?done=x&shown=1", "?done=4&shown=99"])
async def test_an_address_that_has_lost_its_sense_is_no_error(desk: httpx.AsyncClient, address: str) -> None:
    page = await desk.get(f"{SITE}/{PAGE}{address}")
    assert (page.status_code, "By now" in text_of(page)) == (200, False)


async def test_everything_that_is_wrong_is_told_at_once(desk: httpx.AsyncClient) -> None:
    page = text_of(await desk.get(f"{SITE}/{PAGE}?endpoint=x&event_type=y&since=z&ids=0"))
    assert all(f"{label}: " in page for label in ("Endpoint", "Event", "Made from", "Only these ids"))


async def test_a_time_of_another_zone_stands_in_its_field_as_utc(desk: httpx.AsyncClient) -> None:
    """A field for times shows nothing of a zone: what it shows is sent when the choice is changed."""
    page = await desk.get(f"{SITE}/{PAGE}", params={"since": "2026-01-01T04:00+01:00"})
    assert 'name="since" type="datetime-local" value="2026-01-01T03:00:00"' in page.text


async def test_nobody_else_gets_there(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get(f"{SITE}/{PAGE}")).status_code == 303
    assert (await submit(visitor, PAGE, confirmed="yes", seen="4")).status_code == 303
