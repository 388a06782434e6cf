"""Items tell SKUs and costs of products that stand here."""

import asyncio
import json
from contextvars import Context

import httpx
import pytest

from lib import clock
from piccolo_conf import execute, fetch_value, transaction
from tests.faults.harness import until
from tests.shopify.making import row_of, settle
from tests.shopify.stocking import ITEM, bury, make_linked, minute, product, said, tell_item
from tests.statements import someone_waits

ADVANCE = """
    INSERT INTO shopify_version (kind, shopify_id, updated_at, triggered_at) VALUES ('product', $1, $2, $2)
"""


async def test_an_item_tells_sku_and_cost(client: httpx.AsyncClient):
    lamp = await make_linked("OLD")
    row = await tell_item(client, sku=" LAMP-BRASS ", cost="12.50")
    assert said(row) == ("processed", None)
    changed = await product(lamp)
    assert (changed["sku"], str(changed["cost_price"])) == ("LAMP-BRASS", "12.50")


async def test_what_changes_nothing_makes_no_version(client: httpx.AsyncClient):
    lamp = await make_linked("LAMP-BRASS")
    await tell_item(client, at=1)
    before = (await product(lamp))["version"]
    row = await tell_item(client, at=2)
    assert json.loads(row["results"])[0]["became"] == "unchanged"
    assert (await product(lamp))["version"] == before


async def test_an_older_item_is_stale(client: httpx.AsyncClient):
    lamp = await make_linked()
    await tell_item(client, at=2, cost="9")
    assert said(await tell_item(client, at=1, cost="8")) == ("ignored", "stale")
    assert str((await product(lamp))["cost_price"]) == "9.00"


@pytest.mark.parametrize("sku", [None, "", "   "])
async def test_a_sku_is_never_cleared(client: httpx.AsyncClient, sku: str | None):
    lamp = await make_linked("LAMP-BRASS")
    await tell_item(client, sku=sku)
    assert (await product(lamp))["sku"] == "LAMP-BRASS"


async def test_a_cost_of_null_clears_it(client: httpx.AsyncClient):
    lamp = await make_linked()
    await tell_item(client, at=1, cost="9")
    await tell_item(client, at=2, cost=None)
    assert (await product(lamp))["cost_price"] is None


async def test_a_new_item_without_a_cost_clears_none(client: httpx.AsyncClient):
    lamp = await make_linked()
    await execute("UPDATE product SET cost_price = 9")
    await tell_item(client, topic="create", cost=None)
    assert str((await product(lamp))["cost_price"]) == "9.00"


async def test_a_cost_may_be_a_number(client: httpx.AsyncClient):
    lamp = await make_linked()
    await tell_item(client, cost=12.5)
    assert str((await product(lamp))["cost_price"]) == "12.50"


@pytest.mark.parametrize(
    ("told", "kept"), [("3.333", "3.33"), (0.125, "0.13"), (" 2.005 ", "2.01"), ("7.0000", "7.00")]
)
async def test_a_finer_cost_is_rounded_as_a_comparison_rounds_it(client: httpx.AsyncClient, told: object, kept: str):
    lamp = await make_linked()
    await tell_item(client, cost=told)
    assert str((await product(lamp))["cost_price"]) == kept


@pytest.mark.parametrize("cost", ["much", "-1", -1, "NaN", "1e999", 10**12, "3.333e1", "3.", [1], True])
async def test_a_cost_that_is_none_fails_with_a_sentence(client: httpx.AsyncClient, cost: object):
    lamp = await make_linked()
    row = await tell_item(client, cost=cost)
    assert said(row) == ("failed", "bad_payload")
    assert "cost" in row["detail"]
    assert (await product(lamp))["cost_price"] is None


@pytest.mark.parametrize("sku", ["L" * 101, "LAMP\tBRASS"])
async def test_a_sku_that_cannot_be_stored_fails_and_the_cost_is_written(client: httpx.AsyncClient, sku: str):
    lamp = await make_linked("OLD")
    row = await tell_item(client, sku=sku, cost="9")
    assert said(row) == ("failed", "bad_payload")
    assert row["detail"].startswith("sku: must ")
    assert (await product(lamp))["sku"] == "OLD"
    assert str((await product(lamp))["cost_price"]) == "9.00"


async def test_a_sku_that_another_product_has_parks_the_item(client: httpx.AsyncClient):
    await make_linked("lamp-brass", item=ITEM + 1)
    lamp = await make_linked("OLD")
    row = await tell_item(client, cost="9")
    assert said(row) == ("parked", "sku_taken")
    assert row["detail"] == "Another product has the SKU LAMP-BRASS."
    assert (await product(lamp))["sku"] == "OLD"
    assert str((await product(lamp))["cost_price"]) == "9.00"


async def test_it_has_the_sku_as_soon_as_that_is_free(client: httpx.AsyncClient):
    other = await make_linked("LAMP-BRASS", item=ITEM + 1)
    lamp = await make_linked("OLD")
    row = await tell_item(client)
    await execute("UPDATE product SET sku = 'FREE' WHERE id = $1", other)
    await execute("UPDATE inbound_webhook SET next_attempt_at = $1", clock.now())
    await settle()
    assert said(await row_of(row["id"])) == ("processed", None)
    assert (await product(lamp))["sku"] == "LAMP-BRASS"


async def test_the_case_of_a_sku_may_change(client: httpx.AsyncClient):
    lamp = await make_linked("lamp-brass")
    await tell_item(client, sku="LAMP-BRASS")
    assert (await product(lamp))["sku"] == "LAMP-BRASS"


async def test_a_newer_product_keeps_its_sku(client: httpx.AsyncClient):
    lamp = await make_linked("NEWER")
    await execute(ADVANCE, ITEM, minute(5))
    row = await tell_item(client, at=4, cost="9")
    assert said(row) == ("processed", None)
    assert (await product(lamp))["sku"] == "NEWER"
    assert str((await product(lamp))["cost_price"]) == "9.00"


async def test_an_item_as_new_as_its_product_tells_the_sku(client: httpx.AsyncClient):
    lamp = await make_linked("OLD")
    await execute(ADVANCE, ITEM, minute(5))
    await tell_item(client, at=5)
    assert (await product(lamp))["sku"] == "LAMP-BRASS"


async def test_an_unknown_item_waits_for_its_product(client: httpx.AsyncClient):
    row = await tell_item(client)
    assert said(row) == ("parked", "unknown_item")
    assert row["awaits"] == f"item:{ITEM}"


async def test_a_removed_item_is_ignored_and_stays_removed(client: httpx.AsyncClient):
    await bury()
    assert said(await tell_item(client, at=9)) == ("ignored", "removed")
    assert await fetch_value("SELECT is_removed FROM shopify_version WHERE kind = 'item'")


async def test_an_item_without_an_id_fails_with_a_sentence(client: httpx.AsyncClient):
    row = await tell_item(client, id=None)
    assert said(row) == ("failed", "bad_payload")


async def test_a_sku_that_somebody_takes_at_that_moment_is_parked_at_once(client: httpx.AsyncClient):
    await make_linked("OLD")
    async with transaction():
        await execute("INSERT INTO product (sku, name) VALUES ('LAMP-BRASS', 'Lamp')")
        telling = asyncio.create_task(tell_item(client, sku="LAMP-BRASS"), context=Context())
        await until(someone_waits, seconds=20)
    assert said(await telling) == ("parked", "sku_taken")
