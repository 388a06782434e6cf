"""Products of the shop become products here, one per variant, whatever comes twice, late or at once."""

import asyncio
from decimal import Decimal

import httpx
import msgspec
import pytest

from domains.shopify import inbox, jobs
from domains.shopify.mapping import map_product
from domains.shopify.payloads import ProductPayload
from domains.shopify.products import save_product
from domains.shopify.versions import Version
from domains.shopify.webhooks import Told
from piccolo_conf import fetch, fetch_value, transaction
from tests.inventory.shelves import adjust, make_location
from tests.shopify.assortment import (
    BLACK,
    BRASS,
    BRASS_ITEM,
    LAMP,
    assert_laws,
    became,
    black,
    brass,
    know,
    lamp,
    minute,
    numbered,
    product_of,
    said,
    skus,
    tell_lamp,
)
from tests.shopify.making import product_rows, send, settle
from tests.shopify.stocking import tell_level


async def events() -> list[str]:
    rows = await fetch("SELECT topic FROM event WHERE topic LIKE 'product.%' ORDER BY id")
    return [row["topic"] for row in rows]


async def total_of(variant_id: int) -> int:
    return int((await product_of(variant_id))["inventory_quantity"])


async def test_each_variant_becomes_a_product_with_all_that_is_told(client: httpx.AsyncClient) -> None:
    row = await tell_lamp(client, topic="create")
    product = await product_of(BLACK)
    assert (said(row), became(row)) == (("processed", None), ["created", "created"])
    assert (product["sku"], product["name"], product["slug"][:15]) == (
        "LAMP-BLACK",
        "Desk lamp - Black",
        "desk-lamp-black",
    )
    assert (product["price"], product["compare_at_price"]) == (Decimal("44.90"), Decimal("59.90"))
    assert (product["brand"], product["product_type"], product["handle"]) == ("Lumen & Co", "Lamps", "desk-lamp")
    assert (product["description"], product["currency"]) == ("<p>Bends where you read.</p>", "USD")
    assert msgspec.json.decode(product["options"]) == {"Finish": "Black"}
    assert (product["image_link"], product["is_active"]) == ("https://cdn.example.com/lamp-2.jpg", True)
    assert (product["shopify_product_id"], product["shopify_updated_at"]) == (LAMP, minute(0))
    await assert_laws()


async def test_changes_are_told_as_shopifys(client: httpx.AsyncClient) -> None:
    row = await tell_lamp(client)
    event = (await fetch("SELECT source, reference FROM event WHERE topic = 'product.created'"))[0]
    movement = (await fetch("SELECT reason, reference, delta FROM stock_movement ORDER BY delta DESC"))[0]
    cause = f"shopify-webhook:{row['id']}"
    assert (event["source"], event["reference"]) == ("shopify", cause)
    assert tuple(movement) == ("shopify", cause, 7)


async def test_what_changes_nothing_makes_no_event_and_no_version(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    row = await tell_lamp(client, 5)
    assert became(row) == ["unchanged", "unchanged"]
    assert [product["version"] for product in await product_rows()] == [1, 1]
    assert await events() == ["product.created", "product.created"]


async def test_a_change_is_one_write_and_one_event(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    row = await tell_lamp(client, 1, brass(price="39.90", inventory_quantity=2), black())
    product = await product_of(BRASS)
    assert became(row) == ["updated", "unchanged"]
    assert (product["price"], product["inventory_quantity"], product["version"]) == (Decimal("39.90"), 2, 2)
    assert (await events())[2:] == ["product.updated"]
    assert product["shopify_updated_at"] == minute(1)
    await assert_laws()


async def test_what_is_older_changes_nothing(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 5)
    row = await tell_lamp(client, 4, title="Old lamp")
    assert said(row) == ("ignored", "stale")
    assert (await product_of(BRASS))["name"] == "Desk lamp - Brass"


async def test_absent_keys_clear_nothing(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    before = await product_rows()
    bare = {"id": LAMP, "updated_at": minute(1).isoformat(), "variants": [{"id": BRASS}, {"id": BLACK}]}
    row = await tell_lamp(client, 1)
    assert became(row) == ["unchanged", "unchanged"]
    await send(client, "products/update", bare, triggered_at=minute(2))
    await settle()
    assert await product_rows() == before


async def test_nulls_clear_what_may_be_empty_and_nothing_else(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    nulls = {"sku": None, "price": None, "compare_at_price": None, "barcode": None, "inventory_quantity": None}
    await tell_lamp(client, 1, brass(**nulls), black(**nulls), vendor=None, body_html=None, image=None, images=[])
    product = await product_of(BLACK)
    assert (product["sku"], product["price"], product["inventory_quantity"]) == ("LAMP-BLACK", Decimal("44.90"), 3)
    assert (product["compare_at_price"], product["brand"], product["image_link"]) == (None, None, None)
    assert product["description"] == ""


async def test_a_new_variant_without_sku_and_price_gets_one_of_ours_and_costs_nothing(
    client: httpx.AsyncClient,
) -> None:
    await tell_lamp(client, 0, brass(sku="", price=None, inventory_quantity=None))
    product = await product_of(BRASS)
    assert (product["sku"], product["price"], product["inventory_quantity"]) == (f"shopify-{BRASS}", 0, 0)


@pytest.mark.parametrize(("status", "is_active"), [("draft", False), ("archived", False), ("unlisted", True)])
async def test_only_what_is_on_sale_there_is_offered_here(
    client: httpx.AsyncClient, status: str, is_active: bool
) -> None:
    await tell_lamp(client, 0, status=status)
    assert set((await skus()).values()) == {is_active}
    await tell_lamp(client, 1, status=None)
    assert set((await skus()).values()) == {is_active}


async def test_quantities_count_until_a_level_is_known(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    await know("level", BRASS_ITEM, 1, location_id=4)
    await tell_lamp(client, 2, brass(inventory_quantity=50), black(inventory_quantity=-4))
    assert (await total_of(BRASS), await total_of(BLACK)) == (7, 0)
    await assert_laws()


async def test_what_the_shop_does_not_count_is_left(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    await tell_lamp(client, 1, brass(inventory_management=None, inventory_quantity=0), black())
    assert await total_of(BRASS) == 7


async def test_stock_of_ours_stays_where_nobody_says_that_the_shop_counts(admin: httpx.AsyncClient) -> None:
    ours = {"sku": "LAMP-BRASS", "name": "Lamp", "price": "1.00", "inventory_quantity": 10}
    assert (await admin.post("/api/products/", json=ours)).status_code == 201
    await tell_lamp(admin, 0, brass(inventory_quantity=0))
    assert await total_of(BRASS) == 10
    await tell_lamp(admin, 1, brass(inventory_quantity=4))
    await tell_lamp(admin, 2, brass(inventory_quantity=0))
    assert await total_of(BRASS) == 0


async def test_a_smaller_total_is_taken_from_the_default_location_first(admin: httpx.AsyncClient) -> None:
    await make_location(admin)
    await tell_lamp(admin, 0)
    product = await product_of(BRASS)
    await adjust(admin, product["id"], delta=4, location="shop")
    await tell_lamp(admin, 1, brass(inventory_quantity=2), black())
    rows = await fetch("SELECT on_hand FROM stock_level WHERE product = $1 ORDER BY location", product["id"])
    assert [row["on_hand"] for row in rows] == [0, 2]
    await assert_laws()


async def test_stock_that_falls_low_is_told(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    await tell_lamp(client, 1, brass(inventory_quantity=1), black(inventory_quantity=100))
    rows = await fetch("SELECT sku FROM low_stock_notification WHERE resolved_at IS NULL")
    assert [row["sku"] for row in rows] == ["LAMP-BRASS"]


async def statements_for(number: int) -> int:
    """How many it takes to save a product that has so many variants, half of them new."""
    asked: list[object] = []
    told = Told("shop", Version(minute(number), minute(number)))
    variants = [numbered(variant, price=f"{number}.00") for variant in range(number)]
    product = map_product(msgspec.convert(lamp(number, *variants), ProductPayload, strict=False))
    async with transaction() as connection:
        with connection.query_logger(asked.append):
            outcome = await save_product(product, told)
    assert len(outcome.results) == number
    return len(asked)


async def test_many_variants_take_as_many_statements_as_a_few(database: None) -> None:
    await statements_for(2)
    few, many = await statements_for(4), await statements_for(99)
    assert many == few < 25
    await assert_laws()


async def test_a_payload_may_hold_more_variants_than_it_should(client: httpx.AsyncClient) -> None:
    row = await tell_lamp(client, 0, *(numbered(number) for number in range(250)))
    assert became(row) == ["created"] * 250
    await assert_laws()


async def test_what_differs_between_all_variants_reaches_those_that_are_not_told(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0, numbered(1), numbered(2))
    gids = lamp(0, numbered(1), numbered(2))["variant_gids"]
    row = await tell_lamp(client, 1, numbered(1), status="archived", variant_gids=gids)
    assert became(row) == ["updated", "updated"]
    assert await skus() == {"LAMP-1": False, "LAMP-2": False}


async def test_one_variant_that_cannot_be_stored_stops_no_other(client: httpx.AsyncClient) -> None:
    row = await tell_lamp(client, 0, brass(price="-1.00"), black())
    assert (said(row), became(row)) == (("failed", "bad_payload"), ["refused", "created"])
    assert row["detail"].startswith("price: expected an amount")


async def test_an_item_of_another_variant_is_refused(client: httpx.AsyncClient) -> None:
    row = await tell_lamp(client, 0, brass(), black(inventory_item_id=BRASS_ITEM))
    assert became(row) == ["created", "refused"]
    row = await tell_lamp(client, 0, numbered(1, inventory_item_id=BRASS_ITEM), id=LAMP + 1)
    assert (said(row)[0], became(row)) == ("failed", ["refused"])


async def test_many_workers_on_one_product_make_one_product_per_variant(client: httpx.AsyncClient) -> None:
    for at in range(8):
        await send(client, "products/update", lamp(at), triggered_at=minute(at))
    await asyncio.gather(*(jobs.work_one() for _ in range(8)))
    await settle()
    assert await skus() == {"LAMP-BLACK": True, "LAMP-BRASS": True}
    assert await fetch_value("SELECT count(*) FROM inbound_webhook WHERE state IN ('pending', 'failed')") == 0
    await assert_laws()


async def test_what_was_deleted_here_comes_back_with_its_stock(
    admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a worker does nothing more behind its commit."""
    monkeypatch.setattr(inbox, "wake", do_nothing)
    await tell_lamp(admin, 1)
    await tell_level(admin, 5, 2, item=BRASS_ITEM)
    product = await product_of(BRASS)
    assert (await admin.delete(f"/api/products/{product['id']}/", headers={"If-Match": "*"})).status_code == 204
    await tell_lamp(admin, 3)
    await settle()
    assert (await product_of(BRASS))["inventory_quantity"] == 5
    await assert_laws()


async def do_nothing(_known: object) -> None: ...
